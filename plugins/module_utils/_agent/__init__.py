# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The agent: what keeps a Mac in order while no controller reaches it.

installed  whether it is on this host as declared, and what puts it there: used by the modules
alone      the same, without environments
report     its part of a host's report
launchd    its job
document   the file that says what it has to keep
memory     what it did, and what it found last
limits     when it leaves something as it is
keep       one run of it
words      what a user of the Mac is told, who need not know Ansible
command    its command line
"""
