# How strongly the subject must have been authenticated: by the class (acr) or by factors (amr).
package org.assurance

default strength := false

# What almost everybody has.
strength if {
	input.context.acr in {1, 2, 3, "1", "2", "3"}
	concat("", input.context.amr)
	data.org.equivalence.resource_level >= 0
}

strength if {
	class_well_formed
	factors
	data.org.equivalence.resource_level >= 0
	sufficient
}

sufficient if input.context.acr in {1, 2, 3, "1", "2", "3"}

sufficient if _mentions({"SILVER", "GOLD", "AAL2", "AAL3", "MULTI-FACTOR"})

sufficient if count(factors) >= 2

# Nothing to judge without a class; MFA still counts factors.
sufficient if object.get(input.context, "acr", null) == null

sufficient if data.org.equivalence.resource_level == 0

default mfa := false

# What almost everybody has.
mfa if {
	input.context.acr in {2, 3, "2", "3"}
	data.org.equivalence.resource_level >= 0
}

mfa if {
	data.org.equivalence.resource_level >= 0
	multi_factor
	assured
}

mfa if data.org.equivalence.resource_level == 0

multi_factor if count(factors) >= 2

multi_factor if {
	is_number(input.context.acr)
	input.context.acr >= 2
}

# Digits in quotes are a number: anything but 0 and 1, however many zeros stand before it.
multi_factor if {
	trim(input.context.acr, "0123456789") == ""
	not trim_left(input.context.acr, "0") in {"", "1"}
}

# The highest level can be made to need assurance level 3. A setting that is no boolean needs it, too.
assured if data.org.equivalence.resource_level < 4

assured if not data.policy.require_aal3

assured if _mentions({"GOLD", "AAL3"})

# The same factor twice is one factor, a blank one is none; undefined for what is no list of strings.
factors := {factor | some factor in input.context.amr; trim_space(factor) != ""} if {
	concat("", input.context.amr)
} else := set() if {
	object.get(input.context, "amr", null) == null
}

class_well_formed if trim_space(input.context.acr) != ""

class_well_formed if is_number(input.context.acr)

class_well_formed if object.get(input.context, "acr", null) == null

# In capitals: engines differ over small letters (they make one or two of the Turkish İ).
_mentions(words) if {
	class := upper(input.context.acr)
	some word in words
	contains(class, word)
}
