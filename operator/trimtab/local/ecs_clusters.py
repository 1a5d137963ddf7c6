"""Clusters: records that hold services. There are no container instances, only Fargate."""

from trimtab.local.ecs_base import Base, bounded, check_name, last_part, listed, missing, page, tags_in, wants_tags
from trimtab.local.ecs_records import Cluster, Document
from trimtab.local.ecs_shown import shown_tags
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError

PROVIDERS = ("FARGATE", "FARGATE_SPOT")
KEPT = ("settings", "configuration", "capacityProviders", "defaultCapacityProviderStrategy", "serviceConnectDefaults")
DEFAULTS: Document = {
    "settings": [{"name": "containerInsights", "value": "disabled"}],
    "capacityProviders": [],
    "defaultCapacityProviderStrategy": [],
}


class Clusters(Base):
    def create_cluster(self, arguments: Arguments, context: Context) -> Reply:
        """Idempotent: a cluster that is there is answered as it is."""
        name = arguments.get("clusterName") or "default"
        check_name(name, "Cluster")
        check_providers(arguments)
        found = self.book.clusters.get(name)
        if found is None or found.status != "ACTIVE":
            settings = DEFAULTS | {key: arguments[key] for key in KEPT if key in arguments}
            found = Cluster(arn=self.arn(f"cluster/{name}"), name=name, settings=settings, tags=tags_in(arguments))
            self.book.clusters.put(found)
        return {"cluster": self.shown_cluster(found, tags=True)}

    def update_cluster(self, arguments: Arguments, context: Context) -> Reply:
        cluster = self.cluster(arguments, active=True)
        cluster.settings |= {key: arguments[key] for key in KEPT if key in arguments}
        self.book.clusters.put(cluster)
        return {"cluster": self.shown_cluster(cluster)}

    def update_cluster_settings(self, arguments: Arguments, context: Context) -> Reply:
        return self.update_cluster(arguments, context)

    def put_cluster_capacity_providers(self, arguments: Arguments, context: Context) -> Reply:
        check_providers(arguments)
        return self.update_cluster(arguments, context)

    def delete_cluster(self, arguments: Arguments, context: Context) -> Reply:
        cluster = self.cluster(arguments)
        if any(each.cluster == cluster.name and each.status != "INACTIVE" for each in self.book.services):
            raise ServiceError(
                "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active."
            )
        if any(each.cluster == cluster.name and each.status != "STOPPED" for each in self.book.tasks):
            raise ServiceError("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
        cluster.status = "INACTIVE"
        self.book.clusters.put(cluster)
        return {"cluster": self.shown_cluster(cluster)}

    def describe_clusters(self, arguments: Arguments, context: Context) -> Reply:
        names = listed(arguments, "clusters") or ["default"]
        bounded(names, 100, "Clusters")
        found = {name: self.book.clusters.get(last_part(name)) for name in names}
        return {
            "clusters": [self.shown_cluster(each, wants_tags(arguments)) for each in found.values() if each is not None],
            "failures": [missing(self._named(name)) for name, each in found.items() if each is None],
        }

    def _named(self, name: str) -> str:
        return name if name.startswith("arn:") else self.arn(f"cluster/{name}")

    def list_clusters(self, arguments: Arguments, context: Context) -> Reply:
        active = [each for each in self.book.clusters if each.status == "ACTIVE"]
        return page(arguments, active, "clusterArns", 100, lambda each: each.arn)

    def shown_cluster(self, cluster: Cluster, tags: bool = False) -> Document:
        tasks = [each for each in self.book.tasks if each.cluster == cluster.name]
        services = [each for each in self.book.services if each.cluster == cluster.name]
        return cluster.settings | {
            "clusterArn": cluster.arn,
            "clusterName": cluster.name,
            "status": cluster.status,
            "registeredContainerInstancesCount": 0,
            "runningTasksCount": sum(each.status == "RUNNING" for each in tasks),
            "pendingTasksCount": sum(each.status in ("PROVISIONING", "PENDING", "ACTIVATING") for each in tasks),
            "activeServicesCount": sum(each.status == "ACTIVE" for each in services),
            "statistics": [],
            "tags": shown_tags(cluster.tags) if tags else [],
        }


def check_providers(arguments: Arguments) -> None:
    named = [*listed(arguments, "capacityProviders")]
    named += [each["capacityProvider"] for each in listed(arguments, "defaultCapacityProviderStrategy")]
    for name in named:
        if name not in PROVIDERS:
            raise ServiceError("InvalidParameterException", f"The specified capacity provider {name} was not found.")
