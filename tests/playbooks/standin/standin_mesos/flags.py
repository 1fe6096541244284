"""Flags as Mesos reads them: `--name=value`, `--name`, `--no-name`; an unknown one is an error.

The names are those of Mesos 1.11.
"""

from __future__ import annotations

import sys
from typing import NoReturn

_BOTH = """
advertise_ip advertise_port authentication_v0_timeout authorizers domain external_log_file
authenticate_http_readonly authenticate_http_readwrite firewall_rules help hooks hostname
hostname_lookup http_authenticators initialize_driver_logging ip ip6 ip_discovery_command
ip6_discovery_command log_dir logbufsecs logging_level memory_profiling modules modules_dir port
quiet version work_dir zk_session_timeout
"""

_MASTER = """
acls agent_ping_timeout agent_removal_rate_limit agent_reregister_timeout allocation_interval
allocator allocator_agent_recovery_factor allocator_recovery_timeout authenticate_agents
authenticate_frameworks authenticate_http_frameworks authenticators cluster credentials
fair_sharing_excluded_resource_names filter_gpu_resources framework_sorter
http_framework_authenticators log_auto_initialize master_contender master_detector
max_agent_ping_timeouts max_completed_frameworks max_completed_tasks_per_framework
max_operator_event_stream_subscribers max_unreachable_tasks_per_framework
min_allocatable_resources offer_constraints_re2_max_mem offer_constraints_re2_max_program_size
offer_timeout publish_per_framework_metrics quorum rate_limits recovery_agent_removal_limit
registry registry_fetch_timeout registry_gc_interval registry_max_agent_age
registry_max_agent_count registry_store_timeout registry_strict require_agent_domain role_sorter
roles root_submissions webui_dir weights whitelist zk
"""

_AGENT = """
agent_features appc_simple_discovery_uri_prefix appc_store_dir attributes
authenticate_http_executors authenticatee authentication_backoff_factor
authentication_timeout_max authentication_timeout_min authorizer
cgroups_cpu_enable_pids_and_tids_count
cgroups_destroy_timeout cgroups_enable_cfs cgroups_hierarchy cgroups_limit_swap
cgroups_net_cls_primary_handle cgroups_net_cls_secondary_handles cgroups_root
container_disk_watch_interval container_logger containerizers credential csi_plugin_config_dir
default_container_dns default_container_info default_role default_shm_size
disallow_sharing_agent_ipc_namespace disallow_sharing_agent_pid_namespace disk_profile_adaptor
disk_watch_interval docker docker_config enable_cgroupsv2 docker_ignore_runtime docker_kill_orphans
docker_mesos_image docker_registry docker_remove_delay docker_socket docker_stop_timeout
docker_store_dir docker_volume_checkpoint_dir docker_volume_chown effective_capabilities
bounding_capabilities enforce_container_disk_quota executor_environment_variables
executor_registration_timeout executor_reregistration_retry_interval
executor_reregistration_timeout executor_secret_key executor_shutdown_grace_period
fetcher_cache_dir fetcher_cache_size fetcher_stall_timeout frameworks_home gc_delay
gc_disk_headroom gc_non_executor_container_sandboxes host_path_volume_force_creation
http_command_executor http_credentials http_executor_domain_sockets http_heartbeat_interval
image_gc_config image_provisioner_backend image_providers isolation launcher launcher_dir
jwt_secret_key master master_detector max_completed_executors_per_framework
network_cni_config_dir network_cni_metrics network_cni_plugins_dir
network_cni_root_dir_persist nvidia_gpu_devices oversubscribed_resources_interval perf_duration
perf_events perf_interval port_range qos_controller qos_correction_interval_min
reconfiguration_policy recover recovery_timeout registration_backoff_factor resource_estimator
resource_provider_config_dir resources revocable_cpu_low_priority runtime_dir sandbox_directory
secret_resolver strict switch_user systemd_enable_support systemd_runtime_directory
volume_gid_range xfs_kill_containers xfs_project_range
"""

MASTER = frozenset((_BOTH + _MASTER).split())
AGENT = frozenset((_BOTH + _AGENT).split())


class FlagError(Exception):
    """The daemon cannot be started like this."""


def parse_flags(words: list[str], known: frozenset[str]) -> dict[str, str]:
    """Values by flag; raises FlagError in the words of Mesos."""
    values: dict[str, str] = {}
    for word in words:
        if not word.startswith("--"):
            raise FlagError(f"Failed to load unknown flag '{word}'")
        name, equals, value = word[2:].partition("=")
        if not equals:
            value = "true"
            if name.startswith("no-"):
                name, value = name[3:], "false"
        if name not in known:
            raise FlagError(f"Failed to load unknown flag '{name}'")
        if name in values:
            raise FlagError(f"Flag '{name}' is already loaded via command line")
        values[name] = value
    return values


def is_on(flags: dict[str, str], name: str, default: bool = False) -> bool:
    """A flag that is true or false."""
    value = flags.get(name, str(default).lower())
    if value not in ("true", "false", "1", "0"):
        raise FlagError(f"Failed to load flag '{name}': Expecting a boolean (e.g., true or false)")
    return value in ("true", "1")


def require(flags: dict[str, str], *names: str) -> None:
    """Raise FlagError for the first of the flags that is missing."""
    for name in names:
        if not flags.get(name):
            raise FlagError(f"Flag '{name}' is required, but it was not provided")


def exit_with(message: str) -> NoReturn:
    """End as Mesos does, with the reason on stderr."""
    sys.stderr.write(f"EXIT with status 1: {message}\n")
    raise SystemExit(1)
