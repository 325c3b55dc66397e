# What industry may have: only what is released to it, and never above its cap.
package org.industry

default permitted := false

# What almost everybody is.
permitted if {
	input.subject.organizationType in {"GOV", "MIL"}
	not input.resource.releasableToIndustry
}

permitted if {
	object.get(input.subject, "organizationType", null) in {null, "GOV", "MIL"}
	object.get(input.resource, "releasableToIndustry", null) in {null, true, false}
}

permitted if {
	input.subject.organizationType == "INDUSTRY"
	input.resource.releasableToIndustry == true
}

default within_cap := false

within_cap if input.subject.organizationType in {"GOV", "MIL"}

within_cap if object.get(input.subject, "organizationType", null) != "INDUSTRY"

within_cap if data.org.equivalence.resource_level <= cap

cap := 3 if {
	input.subject.countryOfAffiliation in {"USA", "GBR"}
} else := 2
