# What every decision needs is there, and countries are alpha-3. A blank or null attribute is missing.
package base.attributes

import data.base.types

default held := false

held if {
	trim_space(input.subject.uniqueID) != ""
	trim_space(input.subject.clearance) != ""
	trim_space(input.action.operation) != ""
	trim_space(input.resource.classification) != ""
	data.reference.countries.alpha2[input.subject.countryOfAffiliation]
	clearance_country
	original_country
	release_countries
	encryption
}

clearance_country if object.get(input.subject, "clearanceCountry", null) == null

# The alliance has terms of its own.
clearance_country if input.subject.clearanceCountry == "NATO"

clearance_country if types.country(input.subject.clearanceCountry)

original_country if object.get(input.resource, "originalCountry", null) == null

original_country if types.country(input.resource.originalCountry)

# An empty list is there: it fails as releasability or upload.
release_countries if {
	is_array(input.resource.releasabilityTo)
	every country in input.resource.releasabilityTo {
		types.country(country)
	}
}

encryption if object.get(input.resource, "encrypted", null) in {null, false}

# The obligation of an encrypted resource is named after the resource.
encryption if {
	input.resource.encrypted == true
	types.text(input.resource.resourceId)
}
