# The resource's markings do not contradict each other.
package org.coherence

default held := false

# Most resources bear neither communities nor caveats.
held if {
	input.resource.COI == []
	not input.context.strict_coi_coherence
	object.get(input.resource, "caveats", null) == null
}

held if {
	data.base.coi.required
	caveats
	mode_well_formed
	not violated
}

mode_well_formed if object.get(input.context, "strict_coi_coherence", null) in {null, true, false}

# Undefined for what is no list of strings.
caveats := {caveat | some caveat in input.resource.caveats} if {
	concat("", input.resource.caveats)
} else := set() if {
	object.get(input.resource, "caveats", null) == null
}

violated if {
	"US-ONLY" in data.base.coi.required
	count(data.base.coi.required) > 1
}

violated if {
	"EU-RESTRICTED" in data.base.coi.required
	count(data.base.coi.required & {"NATO-COSMIC", "US-ONLY"}) > 0
}

violated if {
	"NOFORN" in caveats
	not us_release
}

# Membership of one of these says nothing about the other, so either must not do.
violated if {
	input.resource.coiOperator == "ANY"
	some pair in [
		{"CAN-US", "FVEY"},
		{"GBR-US", "FVEY"},
		{"AUKUS", "FVEY"},
		{"NATO-COSMIC", "NATO"},
	]
	count(pair - data.base.coi.required) == 0
}

# Strict mode: released to a country that is in none of the communities. One without listed members adds none.
violated if {
	input.context.strict_coi_coherence == true
	count(data.base.coi.required) > 0
	not released_to_members
}

us_release if {
	data.base.coi.required == {"US-ONLY"}
	released == {"USA"}
}

released_to_members if count(released - members) == 0

# Undefined for what is no list of strings.
released := {country | some country in input.resource.releasabilityTo} if {
	concat("", input.resource.releasabilityTo)
}

members := {country |
	some community in data.base.coi.required
	some country in data.reference.coi_members[community]
}
