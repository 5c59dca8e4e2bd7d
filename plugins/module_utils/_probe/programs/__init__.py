# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What runs inside an environment, one program for each framework.

The engine reads these modules' sources, for which it imports them. So they import at their top only what the engine
needs anyhow: with more of the standard library, more of it could be damaged without our modules being able to say so.
"""
