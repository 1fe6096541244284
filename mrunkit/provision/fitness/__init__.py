"""Whether hosts are fit for a lab; the role validate asks, by playbooks/filter_plugins."""
