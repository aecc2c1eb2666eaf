"""What Greenloop itself wrote and a person accepted: never trained on as a person's work."""

from greenloop.mining.filters.rule import Filter

OWN = "written by Greenloop"

RULE = Filter(OWN, lambda pair: pair.accepted)
