"""A refusal says who may not do what to what, whatever the service said of it."""

import pytest

from trimtab.clients.denials import Asked, action_of, resource_of, sentence

ROLE = "arn:aws:sts::123456789012:assumed-role/ci/build-7"
SERVICE = "arn:aws:ecs:eu-west-1:123456789012:service/main/digits"
UPDATE = Asked("ecs", "UpdateService", {"cluster": "main", "service": "digits"})
WHOLE = f"User: {ROLE} is not authorized to perform: ecs:UpdateService on resource: {SERVICE}"


def me() -> str:
    return "arn:aws:iam::123456789012:user/ana"


def nobody_is_asked() -> str:
    raise AssertionError("the message names the caller")


@pytest.mark.parametrize(
    ("asked", "code", "message", "told"),
    [
        pytest.param(
            UPDATE,
            "AccessDeniedException",
            f"{WHOLE} because no identity-based policy allows the ecs:UpdateService action",
            f"{ROLE} may not ecs:UpdateService on {SERVICE}: no identity-based policy allows it; "
            f"allow ecs:UpdateService on {SERVICE} to role ci",
            id="all is said",
        ),
        pytest.param(
            UPDATE,
            "AccessDeniedException",
            f"{WHOLE} with an explicit deny in a service control policy",
            f"{ROLE} may not ecs:UpdateService on {SERVICE}: service control policy denies it explicitly; "
            "have that changed, a grant does not help",
            id="an explicit deny",
        ),
        pytest.param(
            Asked("sagemaker", "CreateTrainingJob", {"TrainingJobName": "d-1"}),
            "AccessDeniedException",
            f"User: {ROLE} is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/train because no "
            "identity-based policy allows the iam:PassRole action",
            f"{ROLE} may not iam:PassRole on arn:aws:iam::1:role/train: no identity-based policy allows it; "
            "allow iam:PassRole on arn:aws:iam::1:role/train to role ci",
            id="another action than the call's",
        ),
        pytest.param(
            Asked("iam", "CreateRole", {"RoleName": "digits"}),
            "AccessDenied",
            f"User: {ROLE} is not authorized to perform: iam:CreateRole",
            f"{ROLE} may not iam:CreateRole on RoleName digits; allow iam:CreateRole on RoleName digits to role ci",
            id="no resource is said",
        ),
    ],
)
def test_the_services_own_words_are_taken_where_there_are_any(asked, code, message, told):
    assert sentence(asked, code, message, nobody_is_asked) == told


def test_where_the_service_says_nothing_the_call_tells():
    put = Asked("s3", "PutObject", {"Bucket": "state", "Key": "ledgers/a.json"})
    told = sentence(put, "AccessDenied", "Access Denied", me)
    assert told.startswith(f"{me()} may not s3:PutObject on arn:aws:s3:::state/ledgers/a.json; allow s3:PutObject on ")
    assert sentence(put, "AccessDenied", "Access Denied", str).startswith("this caller may not s3:PutObject")


def test_what_the_service_says_beside_it_is_kept():
    assert "(this host is not ours)" in sentence(UPDATE, "AccessDenied", "this host is not ours", me)


def test_an_encoded_message_that_differs_each_time_is_left_out():
    message = "You are not authorized to perform this operation. Encoded authorization failure message: 8Hf0x"
    assert "8Hf0x" not in sentence(Asked("ec2", "DescribeVpcs", {}), "UnauthorizedOperation", message, me)


@pytest.mark.parametrize(
    ("code", "message", "mend"),
    [
        ("ExpiredToken", "The provided token has expired.", "have expired: renew them (aws sso login"),
        ("ExpiredTokenException", "The security token included in the request is expired", "have expired: renew them"),
        ("InvalidClientTokenId", "The security token included in the request is invalid.", "correct AWS_PROFILE"),
        ("UnrecognizedClientException", "The security token included in the request is invalid.", "correct AWS_PROFILE"),
        ("InvalidToken", "The provided token is malformed", "session token is none"),
        ("SignatureDoesNotMatch", "The request signature we calculated does not match", "correct AWS_PROFILE or the secret"),
        ("InvalidSignatureException", "The request signature we calculated does not match", "the secret key does not go"),
        ("InvalidSignatureException", "Signature expired: 20261101T1 is now earlier than 20261101T2", "clock is off"),
        ("RequestTimeTooSkewed", "The difference between the request time and the current time", "clock is off"),
    ],
)
def test_bad_credentials_are_no_missing_right_and_say_whose_and_what_was_asked(code, message, mend):
    told = sentence(UPDATE, code, message, me)
    assert told.startswith(f"{me()} cannot ecs:UpdateService: ")
    assert mend in told
    assert sentence(UPDATE, code, message, str).startswith("this caller cannot ecs:UpdateService: ")


@pytest.mark.parametrize(
    ("asked", "action", "resource"),
    [
        (Asked("elbv2", "DescribeRules", {}), "elasticloadbalancing:DescribeRules", "*"),
        (Asked("s3", "ListObjectsV2", {"Bucket": "b"}), "s3:ListBucket", "arn:aws:s3:::b"),
        (Asked("s3", "UploadPart", {"Bucket": "b", "Key": "k"}), "s3:PutObject", "arn:aws:s3:::b/k"),
        (
            Asked("apigateway", "UpdateStage", {"restApiId": "a1"}, "PATCH", "/restapis/{restapi_id}/stages/{stage_name}"),
            "apigateway:PATCH",
            "/restapis/a1/stages/{stage_name}",
        ),
        (Asked("elbv2", "ModifyRule", {"RuleArn": "arn:aws:r"}), "elasticloadbalancing:ModifyRule", "arn:aws:r"),
        (UPDATE, "ecs:UpdateService", "service digits"),
        (Asked("ecr", "CreateRepository", {"repositoryName": "d"}), "ecr:CreateRepository", "repositoryName d"),
    ],
)
def test_action_and_resource_are_those_of_policies(asked, action, resource):
    assert (action_of(asked), resource_of(asked)) == (action, resource)
