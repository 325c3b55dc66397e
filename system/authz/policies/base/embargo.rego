# A resource is withheld until its creation date, give or take the clocks' skew.
package base.embargo

skew_ns := ((5 * 60) * 1000) * 1000000

default held := false

held if {
	trim_space(input.context.currentTime) != ""
	object.get(input.resource, "creationDate", null) == null
}

held if instant(input.context.currentTime) >= instant(input.resource.creationDate) - skew_ns

# RFC 3339 in nanoseconds since the Unix epoch; undefined for what is no such date or cannot be held.
# The pattern is stricter than engines' parsers: leap seconds, lower case and offsets past a day are out.
instant(date) := time.parse_rfc3339_ns(date) if regex.match(_rfc3339, date)

_rfc3339 := `^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
