# The resource may be released to the subject's country, and to that of whoever uploads it.
package base.releasability

default held := false

held if {
	is_array(input.resource.releasabilityTo)
	input.subject.countryOfAffiliation in input.resource.releasabilityTo
}

default upload := false

upload if input.action.operation != "upload"

upload if held
