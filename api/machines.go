package api

import "net/http"

func (s *Server) listMachines(w http.ResponseWriter, r *http.Request) error {
	token, err := s.requestedPage(r.URL.Query())
	if err != nil {
		return err
	}
	var page MachinePage
	s.cache.read(func(v view) {
		ids := v.machineIDs()
		from, to, next := token.cut(len(ids))
		page.NextPageToken = next
		for _, id := range ids[from:to] {
			page.Machines = append(page.Machines, *v.machine(id))
		}
	})
	return writeJSON(w, http.StatusOK, page)
}
