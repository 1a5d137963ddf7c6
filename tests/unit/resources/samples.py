"""One declared resource of every kind, and the replies that AWS would give when it is as declared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from trimtab.core.kind import DEPLOYMENT, ENVIRONMENT, KEY, UID, AnyKind, Failure, tag_list
from trimtab.resources import (
    KINDS,
    api_key,
    artifact,
    cloudwatch_alarm,
    ecr_image,
    ecr_repository,
    ecs_cluster,
    ecs_service,
    ecs_task_definition,
    iam_role,
    listener,
    listener_rule,
    load_balancer,
    log_group,
    processing_job,
    rest_api,
    s3_content,
    scalable_target,
    scaling_policy,
    scheduled_action,
    stage,
    target_group,
    training_job,
    usage_plan,
    vpc_link,
)

UID_VALUE = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
TAGS = {UID: UID_VALUE, DEPLOYMENT: "vision/digits", ENVIRONMENT: "local"}
KEYED = {**TAGS, KEY: "f" * 12}
AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ACCOUNT = "arn:aws:{}:us-east-1:123456789012"
ROLE = "arn:aws:iam::123456789012:role/trimtab/local/digits"
ELB = ACCOUNT.format("elasticloadbalancing")
LB_ARN = f"{ELB}:loadbalancer/app/trimtab-local/0123456789abcdef"
LISTENER_ARN = f"{ELB}:listener/app/trimtab-local/0123456789abcdef/1123456789abcdef"
TG_ARN = f"{ELB}:targetgroup/vision-digits-0a1b2c/2123456789abcdef"
RULE_ARN = f"{ELB}:listener-rule/app/trimtab-local/0123456789abcdef/1123456789abcdef/3123456789abcdef"
FAMILY = "vision-digits-0a1b2c3d4e5f"
TASK_ARN = f"{ACCOUNT.format('ecs')}:task-definition/{FAMILY}:1"
SERVICE_ARN = f"{ACCOUNT.format('ecs')}:service/trimtab-local/vision-digits-0a1b2c"
REPOSITORY_URI = "123456789012.dkr.ecr.us-east-1.amazonaws.com/vision/digits"
DIGEST = "sha256:" + "d" * 64
JOB = "vision-digits-0a1b2c3d4e5f"
JOB_ARN = f"{ACCOUNT.format('sagemaker')}:training-job/{JOB}-a1"


@dataclass(frozen=True)
class Sample:
    """answers: replies by operation (see support.drive) when the resource is as declared.

    denied: the operation whose refusal makes this one, and only this one, unknown. other: another identity of the same
    parent that is absent.
    """

    desired: Any
    answers: Mapping[str, Any]
    denied: str
    other: str
    created: Mapping[str, Any] = field(default_factory=dict)  # replies that a create or update needs besides
    tags: Mapping[str, str] | None = None  # what the tags read or the bulk read gives
    untagged: bool = False  # owned by address, or through another resource


SAMPLES: dict[str, Sample] = {}


def kind_and_sample(name: str) -> tuple[AnyKind, Sample]:
    return KINDS[name], SAMPLES[name]


def absent(operation: str) -> Failure:
    return Failure("absent", "there is no such thing", code="NotFound", operation=operation)


def by(argument: str, replies: Mapping[str, Any], otherwise: Any) -> Callable[[Mapping[str, Any]], Any]:
    """A reply that depends on one argument."""
    return lambda arguments: replies.get(arguments[argument], otherwise)


# --- repositories, logs, roles --------------------------------------------------------------------------------------

_repository = ecr_repository.Desired("vision/digits", TAGS)
REPOSITORY = {
    "repositoryName": "vision/digits",
    "repositoryArn": "arn:aws:ecr:us-east-1:123456789012:repository/vision/digits",
    "repositoryUri": REPOSITORY_URI,
    "imageTagMutability": "IMMUTABLE",
    "imageScanningConfiguration": {"scanOnPush": True},
}
SAMPLES["ecr.Repository"] = Sample(
    _repository,
    {
        "DescribeRepositories": {"repositories": [REPOSITORY, {**REPOSITORY, "repositoryName": "somebody/else"}]},
        "ListTagsForResource": {"tags": tag_list(TAGS)},
    },
    denied="DescribeRepositories",
    other="vision/none",
)

LOG_GROUP = {
    "logGroupName": "/trimtab/local/vision/digits",
    "arn": "arn:aws:logs:us-east-1:123456789012:log-group:/trimtab/local/vision/digits:*",
    "logGroupArn": "arn:aws:logs:us-east-1:123456789012:log-group:/trimtab/local/vision/digits",
    "retentionInDays": 30,
    "storedBytes": 12,
}
SAMPLES["logs.LogGroup"] = Sample(
    log_group.Desired("/trimtab/local/vision/digits", TAGS, 30),
    {
        "DescribeLogGroups": {"logGroups": [LOG_GROUP, {**LOG_GROUP, "logGroupName": "/trimtab/local/vision/digits2"}]},
        "ListTagsForResource": {"tags": TAGS},
    },
    denied="DescribeLogGroups",
    other="/trimtab/local/vision/none",
)

POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":"arn:aws:s3:::b/*"}]}'
_role = iam_role.Desired(
    "trimtab-local-task",
    "/trimtab/local/",
    "ecs-tasks.amazonaws.com",
    POLICY,
    TAGS,
    permissions_boundary="arn:aws:iam::123456789012:policy/boundary",
    source_account="123456789012",
)
ROLE_DETAIL = {
    "RoleName": _role.name,
    "Arn": ROLE,
    "Path": "/trimtab/local/",
    "AssumeRolePolicyDocument": iam_role.trust_for(_role).replace(",", ", "),
    "RolePolicyList": [{"PolicyName": "trimtab", "PolicyDocument": POLICY.replace(":[", ": [")}],
    "AttachedManagedPolicies": [],
    "PermissionsBoundary": {"PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary"},
    "Tags": tag_list(TAGS),
}
SAMPLES["iam.Role"] = Sample(
    _role,
    {"GetAccountAuthorizationDetails": {"RoleDetailList": [ROLE_DETAIL]}},
    denied="GetAccountAuthorizationDetails",
    other="trimtab-local-none",
    tags=TAGS,
)

# --- training, content, artifact, image -----------------------------------------------------------------------------

_job = training_job.Desired(
    name=JOB,
    image="123456789012.dkr.ecr.us-east-1.amazonaws.com/trimtab/pytorch-training:2",
    role_arn=ROLE,
    channels=(training_job.Channel("train", "s3://b/deployments/u/datasets/d/train/"),),
    output_uri="s3://b/deployments/u/jobs",
    instance_type="ml.m5.large",
    tags=KEYED,
    entrypoint=("python3", "/opt/ml/input/data/trimtab/launcher.pyz"),
    arguments=("train",),
    hyperparameters={"epochs": "8"},
    environment={"TRIMTAB_ENTRY_POINT": "train.py"},
    metrics={"accuracy": "accuracy=([0-9.]+)"},
    fallback=("ml.c5.xlarge",),
    subnets=("subnet-1",),
    security_groups=("sg-1",),
    run="run-1",
)
JOB_REPLY = {
    "TrainingJobName": f"{JOB}-a1",
    "TrainingJobArn": JOB_ARN,
    "TrainingJobStatus": "Completed",
    "SecondaryStatus": "Completed",
    "SecondaryStatusTransitions": [{"Status": "Completed", "StartTime": AT, "StatusMessage": "Training job completed"}],
    "ModelArtifacts": {"S3ModelArtifacts": f"s3://b/deployments/u/jobs/{JOB}-a1/output/model.tar.gz"},
    "OutputDataConfig": {"S3OutputPath": "s3://b/deployments/u/jobs"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    "Environment": {"TRIMTAB_RUN": "run-1"},
    "FinalMetricDataList": [{"MetricName": "accuracy", "Value": 0.97, "Timestamp": AT}],
    "CreationTime": AT,
    "TrainingStartTime": AT,
    "TrainingEndTime": AT,
    "BillableTimeInSeconds": 60,
}
SAMPLES["sagemaker.TrainingJob"] = Sample(
    _job,
    {
        "DescribeTrainingJob": by("TrainingJobName", {f"{JOB}-a1": JOB_REPLY}, absent("DescribeTrainingJob")),
        "ListTags": {"Tags": tag_list(KEYED)},
    },
    denied="DescribeTrainingJob",
    other="vision-none-0a1b2c3d4e5f",
)

PROCESSING = {
    "ProcessingJobName": f"{JOB}-a1",
    "ProcessingJobArn": f"{ACCOUNT.format('sagemaker')}:processing-job/{JOB}-a1",
    "ProcessingJobStatus": "Completed",
    "ProcessingOutputConfig": {
        "Outputs": [{"OutputName": "output", "S3Output": {"S3Uri": f"s3://b/deployments/u/jobs/{JOB}-a1/output"}}]
    },
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    "Environment": {"TRIMTAB_RUN": "run-1", "TRIMTAB_REPORT": "evaluation.json"},
    "CreationTime": AT,
    "ProcessingStartTime": AT,
    "ProcessingEndTime": AT,
}
SAMPLES["sagemaker.ProcessingJob"] = Sample(
    processing_job.Desired(
        name=JOB,
        image="123456789012.dkr.ecr.us-east-1.amazonaws.com/trimtab/pytorch-training:2",
        role_arn=ROLE,
        inputs=(processing_job.Input("model", "s3://b/deployments/u/artifacts/a/", "/opt/ml/processing/model"),),
        output_uri="s3://b/deployments/u/jobs",
        instance_type="ml.m5.large",
        tags=KEYED,
        reason="ChampionUnevaluated",
        entrypoint=("python3", "/opt/ml/processing/input/trimtab/launcher.pyz"),
        arguments=("evaluate",),
        report="evaluation.json",
        run="run-1",
    ),
    {
        "DescribeProcessingJob": by("ProcessingJobName", {f"{JOB}-a1": PROCESSING}, absent("DescribeProcessingJob")),
        "GetObject": {"Body": b'{"metrics": {"accuracy": 0.97}}'},
        "ListTags": {"Tags": tag_list(KEYED)},
    },
    denied="DescribeProcessingJob",
    other="vision-none-0a1b2c3d4e5f",
)

CONTENT_PREFIX = f"deployments/{UID_VALUE}/datasets/{'e' * 64}"
LISTED = {"Contents": [{"Key": f"{CONTENT_PREFIX}.json"}], "CommonPrefixes": [{"Prefix": f"{CONTENT_PREFIX}/"}]}
SAMPLES["s3.Content"] = Sample(
    s3_content.Desired("bucket", f"{CONTENT_PREFIX}/", DIGEST, "dataset"),
    {"ListObjectsV2": LISTED},
    denied="ListObjectsV2",
    other=f"bucket|deployments/{UID_VALUE}/datasets/{'f' * 64}",
    tags={UID: UID_VALUE},
    untagged=True,
)

ARTIFACT_PREFIX = f"deployments/{UID_VALUE}/artifacts/{JOB}-a1"
RECORD = (
    b'{"digest":"sha256:aa","bytes":12,"files":[["model.onnx",12,"ff"]],"metrics":{"loss":0.1},'
    b'"evaluation":{"metrics":{"accuracy":0.97},"dataset":{"channel":"test","records":1000}}}'
)
SAMPLES["trimtab.Artifact"] = Sample(
    artifact.Desired(
        "bucket",
        f"deployments/{UID_VALUE}/artifacts/",
        artifact.Trained(
            f"{JOB}-a1",
            "s3://bucket/jobs/output/model.tar.gz",
            "s3://bucket/jobs/output/output.tar.gz",
        ),
    ),
    {
        "ListObjectsV2": {
            "Contents": [{"Key": f"{ARTIFACT_PREFIX}.json"}],
            "CommonPrefixes": [{"Prefix": f"{ARTIFACT_PREFIX}/"}],
        },
        "GetObject": {"Body": RECORD},
    },
    denied="GetObject",
    other=f"bucket|deployments/{UID_VALUE}/artifacts/none-a1",
    tags={UID: UID_VALUE},
    untagged=True,
)

SAMPLES["ecr.Image"] = Sample(
    ecr_image.Desired(
        "vision/digits",
        REPOSITORY_URI,
        "f" * 12,
        base="base@sha256:00",
        code_uri="s3://data/deployments/uid1/serving/d/",
        model_uri="s3://bucket/m/",
        launcher_uri="s3://bucket/l/",
        artifact_digest=DIGEST,
        digest=DIGEST,
    ),
    {
        "BatchGetImage": by(
            "repositoryName",
            {
                "vision/digits": {
                    "images": [
                        {
                            "repositoryName": "vision/digits",
                            "imageId": {"imageTag": "f" * 12, "imageDigest": DIGEST},
                            "imageManifest": '{"layers":[{"size":5},{"size":7}]}',
                        }
                    ],
                    "failures": [{"imageId": {"imageTag": "none"}, "failureCode": "ImageNotFound", "failureReason": "no"}],
                }
            },
            absent("BatchGetImage"),
        ),
        "DescribeRepositories": {"repositories": [REPOSITORY]},
        "ListTagsForResource": {"tags": tag_list(TAGS)},
    },
    denied="BatchGetImage",
    other="other/repository|none",
    untagged=True,
)

# --- ECS ------------------------------------------------------------------------------------------------------------

CLUSTER = {
    "clusterName": "trimtab-local",
    "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/trimtab-local",
    "status": "ACTIVE",
    "settings": [{"name": "containerInsights", "value": "disabled"}],
    "tags": tag_list(TAGS, "key", "value"),
}
SAMPLES["ecs.Cluster"] = Sample(
    ecs_cluster.Desired("trimtab-local", TAGS),
    {
        "DescribeClusters": {
            "clusters": [CLUSTER, {**CLUSTER, "clusterName": "gone", "status": "INACTIVE"}],
            "failures": [{"arn": "arn:aws:ecs:us-east-1:123456789012:cluster/none", "reason": "MISSING"}],
        }
    },
    denied="DescribeClusters",
    other="none",
    tags=TAGS,
)

_task = ecs_task_definition.Desired(
    family=FAMILY,
    repository_uri=REPOSITORY_URI,
    image_digest=DIGEST,
    execution_role_arn=ROLE,
    task_role_arn=ROLE,
    cpu_units=512,
    memory_mib=1024,
    log_group="/trimtab/local/vision/digits",
    region="us-east-1",
    tags=KEYED,
    environment={"TRIMTAB_RELEASE": "r", "A": "b"},
)
CONTAINER = {
    "name": "model",
    "image": f"{REPOSITORY_URI}@{DIGEST}",
    "cpu": 0,
    "essential": True,
    "command": ["serve"],
    "environment": [{"name": "TRIMTAB_RELEASE", "value": "r"}, {"name": "A", "value": "b"}],
    "portMappings": [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}],
    "user": "10001",
    "readonlyRootFilesystem": True,
    "stopTimeout": 30,
    "logConfiguration": {
        "logDriver": "awslogs",
        "options": {
            "awslogs-region": "us-east-1",
            "awslogs-group": "/trimtab/local/vision/digits",
            "awslogs-stream-prefix": "serving",
        },
    },
}
TASK_DEFINITION = {
    "taskDefinitionArn": TASK_ARN,
    "family": FAMILY,
    "revision": 1,
    "status": "ACTIVE",
    "taskRoleArn": ROLE,
    "executionRoleArn": ROLE,
    "networkMode": "awsvpc",
    "cpu": "512",
    "memory": "1024",
    "requiresCompatibilities": ["FARGATE"],
    "compatibilities": ["EC2", "FARGATE"],
    "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
    "containerDefinitions": [CONTAINER],
}
TASK_REPLY = {"taskDefinition": TASK_DEFINITION, "tags": tag_list(KEYED, "key", "value")}
SAMPLES["ecs.TaskDefinition"] = Sample(
    _task,
    {
        "DescribeTaskDefinition": by("taskDefinition", {FAMILY: TASK_REPLY}, absent("DescribeTaskDefinition")),
        "ListTaskDefinitions": {"taskDefinitionArns": []},
    },
    denied="DescribeTaskDefinition",
    other="vision-none-0a1b2c3d4e5f",
    tags=KEYED,
)

_service = ecs_service.Desired(
    cluster="trimtab-local",
    name="vision-digits-0a1b2c",
    task_definition=TASK_ARN,
    target_group_arn=TG_ARN,
    subnets=("subnet-2", "subnet-1"),
    security_groups=("sg-1",),
    tags=TAGS,
    desired_count=2,
)
PRIMARY = {
    "id": "ecs-svc/1",
    "status": "PRIMARY",
    "taskDefinition": TASK_ARN,
    "desiredCount": 2,
    "runningCount": 2,
    "pendingCount": 0,
    "failedTasks": 0,
    "createdAt": AT,
    "updatedAt": AT,
    "rolloutState": "COMPLETED",
    "rolloutStateReason": "ECS deployment ecs-svc/1 completed.",
}
SERVICE = {
    "serviceArn": SERVICE_ARN,
    "serviceName": "vision-digits-0a1b2c",
    "clusterArn": CLUSTER["clusterArn"],
    "status": "ACTIVE",
    "desiredCount": 2,
    "runningCount": 2,
    "pendingCount": 0,
    "launchType": "FARGATE",
    "platformVersion": "LATEST",
    "taskDefinition": TASK_ARN,
    "loadBalancers": [{"targetGroupArn": TG_ARN, "containerName": "model", "containerPort": 8080}],
    "networkConfiguration": {
        "awsvpcConfiguration": {
            "subnets": ["subnet-1", "subnet-2"],
            "securityGroups": ["sg-1"],
            "assignPublicIp": "DISABLED",
        }
    },
    "healthCheckGracePeriodSeconds": 60,
    "deploymentConfiguration": {
        "deploymentCircuitBreaker": {"enable": True, "rollback": True, "resetOnHealthyTask": False},
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
        "strategy": "ROLLING",
    },
    "deployments": [PRIMARY],
    "events": [{"id": "1", "createdAt": AT, "message": "(service vision-digits-0a1b2c) has reached a steady state."}],
    "propagateTags": "SERVICE",
    "enableECSManagedTags": True,
    "tags": tag_list({**TAGS, ecs_service.ASKED: f"{FAMILY}:1"}, "key", "value"),
}
SAMPLES["ecs.Service"] = Sample(
    _service,
    {
        "DescribeServices": by(
            "cluster",
            {
                "trimtab-local": {
                    "services": [SERVICE, {**SERVICE, "serviceName": "gone", "status": "INACTIVE"}],
                    "failures": [{"arn": f"{SERVICE_ARN}-none", "reason": "MISSING"}],
                }
            },
            absent("DescribeServices"),
        )
    },
    denied="DescribeServices",
    other="other-cluster|none",
    tags={**TAGS, ecs_service.ASKED: f"{FAMILY}:1"},
)

# --- load balancing -------------------------------------------------------------------------------------------------

_DESCRIBED_TAGS = {"DescribeTags": lambda given: {"TagDescriptions": [_tagged(arn) for arn in given["ResourceArns"]]}}


def _tagged(arn: str) -> dict[str, Any]:
    return {"ResourceArn": arn, "Tags": tag_list(TAGS)}


LOAD_BALANCER = {
    "LoadBalancerName": "trimtab-local",
    "LoadBalancerArn": LB_ARN,
    "DNSName": "internal-trimtab-local-1.us-east-1.elb.amazonaws.com",
    "CanonicalHostedZoneId": "Z1",
    "State": {"Code": "active"},
    "Type": "application",
    "Scheme": "internal",
    "VpcId": "vpc-1",
    "AvailabilityZones": [
        {"ZoneName": "us-east-1b", "SubnetId": "subnet-2"},
        {"ZoneName": "us-east-1a", "SubnetId": "subnet-1"},
    ],
    "SecurityGroups": ["sg-2", "sg-1"],
}
SAMPLES["elbv2.LoadBalancer"] = Sample(
    load_balancer.Desired("trimtab-local", ("subnet-1", "subnet-2"), ("sg-1", "sg-2"), TAGS),
    {"DescribeLoadBalancers": {"LoadBalancers": [LOAD_BALANCER]}, **_DESCRIBED_TAGS},
    denied="DescribeLoadBalancers",
    other="none",
)

LISTENER = {
    "ListenerArn": LISTENER_ARN,
    "LoadBalancerArn": LB_ARN,
    "Port": 80,
    "Protocol": "HTTP",
    "DefaultActions": [{"Type": "fixed-response", "Order": 1, "FixedResponseConfig": dict(listener.NOT_FOUND)}],
}
SAMPLES["elbv2.Listener"] = Sample(
    listener.Desired(LB_ARN, TAGS),
    {
        "DescribeListeners": by("LoadBalancerArn", {LB_ARN: {"Listeners": [LISTENER]}}, absent("DescribeListeners")),
        **_DESCRIBED_TAGS,
    },
    denied="DescribeListeners",
    other=f"{LB_ARN}x|80",
)

TARGET_GROUP = {
    "TargetGroupName": "vision-digits-0a1b2c",
    "TargetGroupArn": TG_ARN,
    "Protocol": "HTTP",
    "Port": 8080,
    "VpcId": "vpc-1",
    "TargetType": "ip",
    "HealthCheckEnabled": True,
    "HealthCheckProtocol": "HTTP",
    "HealthCheckPort": "traffic-port",
    "HealthCheckPath": "/ping",
    "HealthCheckIntervalSeconds": 5,
    "HealthCheckTimeoutSeconds": 3,
    "HealthyThresholdCount": 2,
    "UnhealthyThresholdCount": 2,
    "Matcher": {"HttpCode": "200"},
    "LoadBalancerArns": [LB_ARN],
}
SAMPLES["elbv2.TargetGroup"] = Sample(
    target_group.Desired("vision-digits-0a1b2c", "vpc-1", TAGS),
    {
        "DescribeTargetGroups": {"TargetGroups": [TARGET_GROUP]},
        "DescribeTargetGroupAttributes": {"Attributes": [{"Key": target_group.DRAIN, "Value": "30"}]},
        **_DESCRIBED_TAGS,
    },
    denied="DescribeTargetGroupAttributes",
    other="none",
    created={"CreateTargetGroup": {"TargetGroups": [TARGET_GROUP]}},
)

HOST = "vision-digits-0a1b2c.trimtab.internal"
RULE = {
    "RuleArn": RULE_ARN,
    "Priority": "17",
    "IsDefault": False,
    "Conditions": [
        {
            "Field": "path-pattern",
            "Values": ["/ping", "/invocations"],
            "PathPatternConfig": {"Values": ["/ping", "/invocations"]},
        },
        {"Field": "host-header", "Values": [HOST], "HostHeaderConfig": {"Values": [HOST]}},
    ],
    "Actions": [
        {
            "Type": "forward",
            "TargetGroupArn": TG_ARN,
            "Order": 1,
            "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": TG_ARN, "Weight": 1}]},
        }
    ],
}
DEFAULT_RULE = {"RuleArn": f"{RULE_ARN}0", "Priority": "default", "IsDefault": True, "Conditions": [], "Actions": []}
SAMPLES["elbv2.ListenerRule"] = Sample(
    listener_rule.Desired(LISTENER_ARN, HOST, TG_ARN, TAGS),
    {
        "DescribeRules": by("ListenerArn", {LISTENER_ARN: {"Rules": [RULE, DEFAULT_RULE]}}, absent("DescribeRules")),
        **_DESCRIBED_TAGS,
    },
    denied="DescribeRules",
    other=f"{LISTENER_ARN}x|{HOST}",
)

# --- API Gateway ----------------------------------------------------------------------------------------------------

VPC_LINK = {
    "VpcLinkId": "link01",
    "Name": "trimtab-local",
    "SubnetIds": ["subnet-2", "subnet-1"],
    "SecurityGroupIds": ["sg-1"],
    "VpcLinkStatus": "AVAILABLE",
    "CreatedDate": AT,
    "Tags": TAGS,
}
SAMPLES["apigatewayv2.VpcLink"] = Sample(
    vpc_link.Desired("trimtab-local", ("subnet-1", "subnet-2"), ("sg-1",), TAGS, "us-east-1"),
    {"GetVpcLinks": {"Items": [VPC_LINK, {**VPC_LINK, "VpcLinkId": "foreign", "Tags": {}}]}},
    denied="GetVpcLinks",
    other="none",
    tags=TAGS,
)

BODY = (
    '{"openapi":"3.0.1","paths":{"/{proxy+}":{"post":{"x-amazon-apigateway-integration":'
    '{"connectionId":"{vpc_link_id}","integrationTarget":"{listener_arn}","type":"http_proxy"}}}}}'
)
_api = rest_api.Desired("vision-digits-0a1b2c", BODY, "link01", LISTENER_ARN, TAGS, "us-east-1")
API_DIGEST = f"sha256:{rest_api.digest_of(rest_api.body_of(_api))}"
API = {
    "id": "api0000001",
    "name": _api.name,
    "description": f"body {API_DIGEST}",
    "createdDate": AT,
    "endpointConfiguration": {"types": ["REGIONAL"]},
    "disableExecuteApiEndpoint": False,
    "tags": TAGS,
}
SAMPLES["apigateway.RestApi"] = Sample(
    _api,
    {"GetRestApis": {"items": [API, {**API, "id": "foreign", "tags": {}}]}},
    denied="GetRestApis",
    other="none",
    created={"CreateRestApi": {**API, "description": ""}, "PutRestApi": API},
    tags=TAGS,
)

STAGE = {
    "stageName": "live",
    "deploymentId": "dep001",
    "methodSettings": {"*/*": {"throttlingRateLimit": 50.0, "throttlingBurstLimit": 100}},
    "tags": TAGS,
}
SAMPLES["apigateway.Stage"] = Sample(
    stage.Desired("api0000001", API_DIGEST, TAGS, "us-east-1", 50, 100),
    {
        "GetStages": by("restApiId", {"api0000001": {"item": [STAGE]}}, absent("GetStages")),
        "GetDeployments": by(
            "restApiId",
            {"api0000001": {"items": [{"id": "dep001", "description": f"body {API_DIGEST}"}, {"id": "dep000"}]}},
            absent("GetDeployments"),
        ),
    },
    denied="GetStages",
    other="api0000002|live",
    created={"CreateDeployment": {"id": "dep002"}},
    tags=TAGS,
)

API_KEY = {"id": "key001", "name": "vision-digits-0a1b2c", "enabled": True, "createdDate": AT, "tags": TAGS}
SAMPLES["apigateway.ApiKey"] = Sample(
    api_key.Desired("vision-digits-0a1b2c", TAGS, "us-east-1"),
    {"GetApiKeys": {"items": [API_KEY, {**API_KEY, "id": "foreign", "tags": {}}]}},
    denied="GetApiKeys",
    other="none",
    tags=TAGS,
)

USAGE_PLAN = {
    "id": "plan01",
    "name": "vision-digits-0a1b2c",
    "apiStages": [{"apiId": "api0000001", "stage": "live"}],
    "throttle": {"rateLimit": 50.0, "burstLimit": 100},
    "tags": TAGS,
}
SAMPLES["apigateway.UsagePlan"] = Sample(
    usage_plan.Desired(
        "vision-digits-0a1b2c",
        (usage_plan.ApiStage("api0000001", "live"),),
        ("key001",),
        50,
        100,
        TAGS,
        "us-east-1",
    ),
    {
        "GetUsagePlans": {"items": [USAGE_PLAN, {**USAGE_PLAN, "id": "foreign", "tags": {}}]},
        "GetUsagePlanKeys": {"items": [{"id": "key001", "type": "API_KEY", "name": "vision-digits-0a1b2c"}]},
    },
    denied="GetUsagePlanKeys",
    other="none",
    created={"CreateUsagePlan": USAGE_PLAN},
    tags=TAGS,
)

# --- scaling --------------------------------------------------------------------------------------------------------

RESOURCE = "service/trimtab-local/vision-digits-0a1b2c"
SCALABLE_ARN = f"{ACCOUNT.format('application-autoscaling')}:scalable-target/0ec5123456789abcdef"
SCALED = {"ServiceNamespace": "ecs", "ResourceId": RESOURCE, "ScalableDimension": "ecs:service:DesiredCount"}
SCALABLE = {
    **SCALED,
    "ScalableTargetARN": SCALABLE_ARN,
    "MinCapacity": 2,
    "MaxCapacity": 6,
    "RoleARN": ROLE,
    "CreationTime": AT,
}
SAMPLES["autoscaling.ScalableTarget"] = Sample(
    scalable_target.Desired("trimtab-local", "vision-digits-0a1b2c", 2, 6, TAGS),
    {"DescribeScalableTargets": {"ScalableTargets": [SCALABLE]}, "ListTagsForResource": {"Tags": TAGS}},
    denied="DescribeScalableTargets",
    other="service/trimtab-local/none",
)

POLICY_REPLY = {
    **SCALED,
    "PolicyARN": f"{ACCOUNT.format('autoscaling')}:scalingPolicy:1:resource/ecs/{RESOURCE}:policyName/trimtab",
    "PolicyName": "trimtab",
    "PolicyType": "TargetTrackingScaling",
    "TargetTrackingScalingPolicyConfiguration": {
        "TargetValue": 600.0,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "ALBRequestCountPerTarget",
            "ResourceLabel": "app/trimtab-local/0123456789abcdef/targetgroup/vision-digits-0a1b2c/2123456789abcdef",
        },
        "ScaleOutCooldown": 60,
        "ScaleInCooldown": 300,
    },
    "CreationTime": AT,
}
SAMPLES["autoscaling.ScalingPolicy"] = Sample(
    scaling_policy.Desired(
        "trimtab-local",
        "vision-digits-0a1b2c",
        "trimtab",
        "requests",
        600,
        "vision/digits",
        "app/trimtab-local/0123456789abcdef",
        "targetgroup/vision-digits-0a1b2c/2123456789abcdef",
    ),
    {
        "DescribeScalingPolicies": {"ScalingPolicies": [POLICY_REPLY, {**POLICY_REPLY, "PolicyName": "by-hand"}]},
        "DescribeScalableTargets": {"ScalableTargets": [SCALABLE]},
        "ListTagsForResource": {"Tags": TAGS},
    },
    denied="DescribeScalingPolicies",
    other=f"{RESOURCE}|none",
    untagged=True,
)

SCHEDULED_REPLY = {
    **SCALED,
    "ScheduledActionName": "day",
    "ScheduledActionARN": f"{ACCOUNT.format('autoscaling')}:scheduledAction:1:resource/ecs/{RESOURCE}:name/day",
    "Schedule": "cron(0 8 ? * MON-FRI *)",
    "Timezone": "Europe/Berlin",
    "ScalableTargetAction": {"MinCapacity": 4, "MaxCapacity": 8},
    "CreationTime": AT,
}
SAMPLES["autoscaling.ScheduledAction"] = Sample(
    scheduled_action.Desired(
        "trimtab-local", "vision-digits-0a1b2c", "day", "cron(0 8 ? * MON-FRI *)", "Europe/Berlin", 4, 8
    ),
    {
        "DescribeScheduledActions": {
            "ScheduledActions": [SCHEDULED_REPLY, {**SCHEDULED_REPLY, "ScheduledActionName": "by-hand"}]
        },
        "DescribeScalableTargets": {"ScalableTargets": [SCALABLE]},
        "ListTagsForResource": {"Tags": TAGS},
    },
    denied="DescribeScheduledActions",
    other=f"{RESOURCE}|none",
    untagged=True,
)

_alarm = cloudwatch_alarm.Desired(
    "vision-digits-errors",
    "AWS/ApplicationELB",
    "HTTPCode_Target_5XX_Count",
    {"TargetGroup": "targetgroup/t/1", "LoadBalancer": "app/l/2"},
    "Sum",
    "GreaterThanThreshold",
    5,
    TAGS,
    missing="notBreaching",
)
ALARM = {
    "AlarmName": _alarm.name,
    "AlarmArn": f"{ACCOUNT.format('cloudwatch')}:alarm:{_alarm.name}",
    "Namespace": _alarm.namespace,
    "MetricName": _alarm.metric,
    "Dimensions": [{"Name": "TargetGroup", "Value": "targetgroup/t/1"}, {"Name": "LoadBalancer", "Value": "app/l/2"}],
    "Statistic": "Sum",
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 5.0,
    "Period": 60,
    "EvaluationPeriods": 1,
    "TreatMissingData": "notBreaching",
    "StateValue": "ALARM",
}
SAMPLES["cloudwatch.Alarm"] = Sample(
    _alarm,
    {
        "DescribeAlarms": {"MetricAlarms": [ALARM, {**ALARM, "AlarmName": "somebody-elses"}]},
        "ListTagsForResource": {"Tags": tag_list(TAGS)},
    },
    denied="DescribeAlarms",
    other="none",
)
