# What industry may have: only what is released to it, and never above its cap.
package org.industry

import data.base.types
import data.org.equivalence

default permitted := false

permitted if {
	flag_well_formed
	_organization in {null, "GOV", "MIL"}
}

permitted if {
	_organization == "INDUSTRY"
	input.resource.releasableToIndustry == true
}

default within_cap := false

within_cap if _organization != "INDUSTRY"

within_cap if equivalence.resource_level <= cap

cap := 3 if {
	input.subject.countryOfAffiliation in {"USA", "GBR"}
} else := 2

flag_well_formed if types.optional_boolean(object.get(input.resource, "releasableToIndustry", null))

_organization := object.get(input.subject, "organizationType", null)
