"""IAM on the local cloud, where it is not just moto's."""

import pytest

from job_cloud import JobCloud, job_cloud

TRUST = '{"Version": "2012-10-17", "Statement": []}'
MANAGED = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"


@pytest.fixture
def cloud(tmp_path):
    with job_cloud(tmp_path / "state", tmp_path / "cache") as made:
        yield made


# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonECSTaskExecutionRolePolicy.html
def test_the_policies_of_aws_are_there_and_none_is_listed_as_local(cloud: JobCloud):
    iam = cloud.client("iam")
    iam.create_role(RoleName="execution", AssumeRolePolicyDocument=TRUST)
    iam.attach_role_policy(RoleName="execution", PolicyArn=MANAGED)
    (attached,) = iam.list_attached_role_policies(RoleName="execution")["AttachedPolicies"]
    assert attached["PolicyArn"] == MANAGED
    assert iam.get_policy(PolicyArn=MANAGED)["Policy"]["AttachmentCount"] == 1
    assert iam.list_policies(Scope="Local")["Policies"] == []


# https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html
def test_an_update_of_a_role_leaves_alone_what_it_does_not_name(cloud: JobCloud):
    iam = cloud.client("iam")
    iam.create_role(RoleName="execution", AssumeRolePolicyDocument=TRUST, Description="pulls", MaxSessionDuration=7200)

    def now() -> tuple[str, int]:
        role = iam.get_role(RoleName="execution")["Role"]
        return role.get("Description", ""), role["MaxSessionDuration"]

    iam.update_role(RoleName="execution", MaxSessionDuration=3600)
    assert now() == ("pulls", 3600)
    iam.update_role(RoleName="execution", MaxSessionDuration=7200)
    iam.update_role(RoleName="execution", Description="pulls and writes")
    assert now() == ("pulls and writes", 7200)
