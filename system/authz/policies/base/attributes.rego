# What every decision needs is there, and countries are alpha-3. A blank or null attribute is missing.
package base.attributes

import data.base.types

default held := false

held if {
	types.text(input.subject.uniqueID)
	types.text(input.subject.clearance)
	types.country(input.subject.countryOfAffiliation)
	clearance_country
	types.text(input.action.operation)
	types.text(input.resource.classification)
	release_countries
	original_country
	encryption
}

clearance_country if is_null(object.get(input.subject, "clearanceCountry", null))

# The alliance has terms of its own.
clearance_country if input.subject.clearanceCountry == "NATO"

clearance_country if types.country(input.subject.clearanceCountry)

original_country if is_null(object.get(input.resource, "originalCountry", null))

original_country if types.country(input.resource.originalCountry)

# An empty list is there: it fails as releasability or upload.
release_countries if {
	is_array(input.resource.releasabilityTo)
	every country in input.resource.releasabilityTo {
		types.country(country)
	}
}

encryption if is_null(object.get(input.resource, "encrypted", null))

encryption if input.resource.encrypted == false

# The obligation of an encrypted resource is named after the resource.
encryption if {
	input.resource.encrypted == true
	types.text(input.resource.resourceId)
}
