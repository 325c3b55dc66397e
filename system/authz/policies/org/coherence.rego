# The resource's markings do not contradict each other.
package org.coherence

import data.base.coi
import data.base.types

default held := false

held if {
	well_formed
	not violated
}

well_formed if {
	coi.well_formed
	types.optional_texts(_caveats)
	types.optional_boolean(_strict)
}

violated if {
	"US-ONLY" in coi.required
	count(coi.required) > 1
}

violated if {
	"EU-RESTRICTED" in coi.required
	count(coi.required & {"NATO-COSMIC", "US-ONLY"}) > 0
}

violated if {
	"NOFORN" in _caveats
	not _us_release
}

# Membership of one of these says nothing about the other, so either must not do.
violated if {
	coi.operator == "ANY"
	some pair in [
		{"CAN-US", "FVEY"},
		{"GBR-US", "FVEY"},
		{"AUKUS", "FVEY"},
		{"NATO-COSMIC", "NATO"},
	]
	count(pair - coi.required) == 0
}

# Strict mode: released to a country that is in none of the communities. One without listed members adds none.
violated if {
	_strict == true
	count(coi.required) > 0
	count(_released - _members) > 0
}

_us_release if {
	coi.required == {"US-ONLY"}
	_released == {"USA"}
}

_released := {country |
	is_array(input.resource.releasabilityTo)
	some country in input.resource.releasabilityTo
}

_members := {country |
	some community in coi.required
	some country in data.org.coi_members[community]
}

_caveats := object.get(input.resource, "caveats", null)

_strict := object.get(input.context, "strict_coi_coherence", null)
