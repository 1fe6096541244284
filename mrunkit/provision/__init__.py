"""Making a lab of bare hosts, with the Ansible playbooks that come with mrunkit.

`lab` reads what the inventory says; `playbooks` runs Ansible and turns what it tells into
events; `progress` folds events into a state; `table` and `explain` turn states and failures
into text. Owns no terminal: the commands in cli/ do.
"""
