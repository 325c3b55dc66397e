# The resource may be released to the subject's country, and to that of whoever uploads it.
package base.releasability

default held := false

held if {
	concat("", input.resource.releasabilityTo)
	input.subject.countryOfAffiliation in input.resource.releasabilityTo
}

default upload := false

upload if held

# An operation that is not told could be an upload.
upload if {
	trim_space(input.action.operation) != ""
	input.action.operation != "upload"
}
