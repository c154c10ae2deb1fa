package cluster

// Epoch is a stretch of the store's history. A store that is restored from a backup goes back: what was written
// since is lost, and its revisions are given a second time. With each restoration that is found out a new epoch begins.
//
// Numbers that may never be given twice, a unit's generations and fencing numbers, are therefore not
// made from revisions but from stamps: a revision with an offset, chosen so that all stamps of an epoch are greater than
// every one before. The zero Epoch is that of a store that was never restored, in which both are the same.
type Epoch struct {
	Number int64 `json:"number"` // grows by one with each
	Began  int64 `json:"began"`  // revision of the store when this was found out
	Base   int64 `json:"base"`   // the highest stamp that the store knew of a unit then
	Offset int64 `json:"offset"` // what makes a revision a stamp
}

// EpochID is what stands for the one record of KindEpoch in its key.
const EpochID = "current"

// Stamp is what stands for a revision of this epoch.
func (e Epoch) Stamp(revision int64) int64 { return revision + e.Offset }

// Floor is what all stamps of this epoch are greater than.
func (e Epoch) Floor() int64 { return e.Stamp(e.Began) }

// Lost tells whether a stamp is of the history that was lost when this epoch began: whoever shows
// one has been asked for something that the store knows nothing of any more.
func (e Epoch) Lost(stamp int64) bool { return e.Number > 0 && stamp > e.Base && stamp <= e.Floor() }
