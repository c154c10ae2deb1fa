// Package customer is somebody who asks fleet for one thing after the other of one unit, and
// remembers what was asked for last: the load under which functional/ makes trouble.
//
// A customer repeats a request until it is granted, through whichever machine answers, and asks
// for the next only then; so there is always one thing that was asked for last, and Settled tells
// whether it has come true. What is asked for follows from the seed alone.
package customer
