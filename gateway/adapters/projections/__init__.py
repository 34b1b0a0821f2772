"""Projections: what happened, as SQL tables for people, reports and other programs.

They tail the journal in a process of their own and keep their place in it beside the rows, in the same transaction. The
order path never reads them; they can be dropped at any time and are built again. docs/projections.md has the tables.
"""
