# Communities of interest are sets: order and repetition mean nothing.
package base.coi

# What the subject is a member of; undefined for what is no list of strings.
memberships := {community | some community in input.subject.acpCOI} if {
	concat("", input.subject.acpCOI)
} else := set() if {
	object.get(input.subject, "acpCOI", null) == null
}

# What the resource is limited to; undefined for what is no list of strings.
required := {community | some community in input.resource.COI} if {
	concat("", input.resource.COI)
} else := set() if {
	object.get(input.resource, "COI", null) == null
}

default held := false

# An operator means nothing where there is no community to combine.
held if {
	input.resource.COI == []
	concat("", input.subject.acpCOI)
}

held if {
	memberships
	count(required) == 0
}

held if {
	count(required) > 0
	combined
	us_only
}

combined if {
	object.get(input.resource, "coiOperator", null) in {null, "ALL"}
	count(required - memberships) == 0
}

combined if {
	input.resource.coiOperator == "ANY"
	count(required & memberships) > 0
}

# Besides what the operator asks for.
us_only if not "US-ONLY" in required

us_only if memberships == {"US-ONLY"}
