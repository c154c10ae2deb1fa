package index

import "math/bits"

// Dims is how many kinds of resources a vector counts.
const Dims = 8

// Vector is an amount of each resource: what is free, or what is needed.
// math.MaxInt64 is more than any need; free may be negative.
type Vector [Dims]int64

// covers reports whether free is enough for need in each dimension asked for.
func (free *Vector) covers(need *Vector) bool {
	for d, amount := range need {
		if amount > 0 && free[d] < amount {
			return false
		}
	}
	return true
}

// code is a vector in short: 15 bits per dimension that keep the order of
// amounts but round them down, and above them a guard bit. What is stored in a
// tree carries the guards, what is asked for does not; then a subtraction clears
// the guard of each dimension that is too small and borrows from no other.
type code struct{ low, high uint64 }

const (
	laneBits = 16
	laneMax  = 1<<(laneBits-1) - 1
	ones     = 0x0001_0001_0001_0001
	guards   = ones << (laneBits - 1)
	lanesMax = guards - ones

	// mantissaBits leaves room for the exponent of any int64. Amounts below
	// 2<<mantissaBits are exact, larger ones to within a five-hundredth.
	mantissaBits = 9
)

// shorten rounds an amount down to a lane, and says whether that lost anything.
func shorten(amount int64) (lane uint64, exact bool) {
	if amount <= 0 {
		return 0, true
	}
	exponent := max(bits.Len64(uint64(amount))-mantissaBits-1, 0)
	mantissa := uint64(amount) >> exponent
	return uint64(exponent)<<mantissaBits + mantissa, int64(mantissa<<exponent) == amount
}

// encode returns the vector's code, rounded down and rounded up, without guards.
func encode(v *Vector) (down, up code) {
	down.low, up.low = encodeHalf(v[:Dims/2])
	down.high, up.high = encodeHalf(v[Dims/2:])
	return down, up
}

// position is where a vector belongs in a tree, so that those which are alike in
// all dimensions are near each other: the logarithms of the dimensions to a
// quarter, as bits from the most significant one on, one dimension after the
// other (a Z-order curve).
func position(v *Vector) uint64 {
	var logarithms uint64
	for _, amount := range v {
		logarithms <<= 8
		if amount > 0 {
			length := bits.Len64(uint64(amount))
			logarithms |= uint64(length)<<2 | uint64(amount)<<(64-length)>>61&3
		}
	}
	return transpose(logarithms)
}

// transpose turns eight rows of eight bits into columns, by exchanging the
// squares off the diagonal: of one bit each, then of two by two, then of four.
func transpose(x uint64) uint64 {
	t := (x ^ x>>7) & 0x00AA00AA00AA00AA
	x ^= t ^ t<<7
	t = (x ^ x>>14) & 0x0000CCCC0000CCCC
	x ^= t ^ t<<14
	t = (x ^ x>>28) & 0x00000000F0F0F0F0
	return x ^ t ^ t<<28
}

func encodeHalf(amounts []int64) (down, up uint64) {
	for i, amount := range amounts {
		lane, exact := shorten(amount)
		down |= lane << (i * laneBits)
		if !exact {
			lane++
		}
		up |= lane << (i * laneBits)
	}
	return down, up
}

// opposite turns the order around: the smaller an amount, the larger its lane.
func (c code) opposite() code {
	return code{lanesMax - c.low, lanesMax - c.high}
}

func (c code) guarded() code {
	return code{c.low | guards, c.high | guards}
}

// covers reports whether c, guarded, is at least wanted in each dimension.
func (c code) covers(wanted code) bool {
	return coversHalf(c.low, wanted.low) && coversHalf(c.high, wanted.high)
}

func coversHalf(c, wanted uint64) bool {
	return (c-wanted)&guards == guards
}

// coversBit is coversHalf as a bit, without a branch.
func coversBit(c, wanted uint64) uint64 {
	lacking := ^(c - wanted) & guards
	return (lacking - 1) >> 63
}

// join returns the larger of each dimension, both guarded.
func (c code) join(other code) code {
	return code{joinHalf(c.low, other.low), joinHalf(c.high, other.high)}
}

func joinHalf(a, b uint64) uint64 {
	atLeast := (a - b&lanesMax) & guards
	mine := atLeast - atLeast>>(laneBits-1)
	return b ^ (a^b)&mine
}

// reaches reports whether c is as large as the maximum it went into in some
// dimension that is not empty, so that the maximum may fall when c goes.
func (c code) reaches(maximum code) bool {
	return reachesHalf(c.low, maximum.low) || reachesHalf(c.high, maximum.high)
}

func reachesHalf(c, maximum uint64) bool {
	above := maximum - c&lanesMax - ones
	filled := c - ones
	return ^above&filled&guards != 0
}
