# Communities of interest are sets: order and repetition mean nothing.
package base.coi

import data.base.types

memberships := {community | is_array(_memberships); some community in _memberships}

required := {community | is_array(_required); some community in _required}

operator := object.get(input.resource, "coiOperator", null)

default held := false

# An operator means nothing where there is no community to combine.
held if {
	well_formed
	count(required) == 0
}

held if {
	well_formed
	count(required) > 0
	combined
	us_only
}

well_formed if {
	types.optional_texts(_memberships)
	types.optional_texts(_required)
}

combined if {
	operator in {null, "ALL"}
	count(required - memberships) == 0
}

combined if {
	operator == "ANY"
	count(required & memberships) > 0
}

# Besides what the operator asks for.
us_only if not "US-ONLY" in required

us_only if memberships == {"US-ONLY"}

_memberships := object.get(input.subject, "acpCOI", null)

_required := object.get(input.resource, "COI", null)
