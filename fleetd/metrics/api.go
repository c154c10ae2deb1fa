package metrics

import "fleet/api"

// Applied is told of what the API's cache takes in.
func (m *Metrics) Applied() func(api.Applied) {
	return func(a api.Applied) {
		if !a.Dropped {
			m.applying.Observe(a.Took.Seconds())
		}
		m.store.lag.applied(a)
	}
}
