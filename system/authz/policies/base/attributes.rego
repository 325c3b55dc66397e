# What every decision needs is there, and countries are alpha-3. A blank or null attribute is missing.
# An empty list of release countries is there: it fails as releasability or upload.
package base.attributes

import data.base.types

default held := false

held if {
	trim_space(input.subject.uniqueID) != ""
	trim_space(input.subject.clearance) != ""
	trim_space(input.action.operation) != ""
	trim_space(input.resource.classification) != ""

	# `codes[country]` in the loop would be read as "any member" by some engines.
	codes := data.reference.countries.alpha2
	codes[input.subject.countryOfAffiliation]
	is_array(input.resource.releasabilityTo)
	every country in input.resource.releasabilityTo {
		object.get(codes, country, false)
	}
	markings
	encryption
}

# Most requests have nothing to map.
markings if {
	object.get(input.subject, "clearanceCountry", null) == null
	object.get(input.resource, "originalCountry", null) == null
}

markings if {
	clearance_country
	original_country
}

clearance_country if object.get(input.subject, "clearanceCountry", null) == null

# The alliance has terms of its own.
clearance_country if input.subject.clearanceCountry == "NATO"

clearance_country if types.country(input.subject.clearanceCountry)

original_country if object.get(input.resource, "originalCountry", null) == null

original_country if types.country(input.resource.originalCountry)

# Absent or false.
encryption if not input.resource.encrypted

encryption if input.resource.encrypted == null

# The obligation of an encrypted resource is named after the resource.
encryption if {
	input.resource.encrypted == true
	trim_space(input.resource.resourceId) != ""
}
