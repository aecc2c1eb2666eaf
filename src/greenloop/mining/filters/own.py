"""What Greenloop itself wrote and a person accepted, also where it is a part of more (``mining.own``)."""

from greenloop.mining.filters.rule import Filter

OWN = "written by Greenloop"

RULE = Filter(OWN, lambda pair: pair.accepted.holds(pair.target.tree, pair.files))
