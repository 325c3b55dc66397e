# The token was verified.
package base.authentication

default held := false

held if input.subject.authenticated == true
