package main

import "github.com/spf13/cobra"

// group is a part of the list of commands.
type group struct {
	id, title string
	commands  []*cobra.Command
}

// groups are all commands, in the sequence in which the help lists them.
func (a *app) groups() []group {
	return []group{
		{"units", "Units", []*cobra.Command{
			a.startCommand(), a.stopCommand(), a.restartCommand(), a.loadCommand(), a.unloadCommand(),
			a.submitCommand(), a.editCommand(), a.destroyCommand(), a.moveCommand(), a.waitCommand(),
		}},
		{"looking", "Looking", []*cobra.Command{
			a.listUnitsCommand(), a.listUnitFilesCommand(), a.statusCommand(), a.journalCommand(), a.catCommand(), a.explainCommand(), a.eventsCommand(),
		}},
		{"machines", "Machines", []*cobra.Command{
			a.listMachinesCommand(), a.machineCommand(), a.topCommand(), a.alarmsCommand(),
			a.cordonCommand(), a.uncordonCommand(), a.drainCommand(), a.undrainCommand(), a.labelCommand(), a.forgetCommand(),
			a.rebalanceCommand(), a.sshCommand(), a.storeCommand(),
		}},
		{"files", "Files", []*cobra.Command{
			a.planCommand(), a.diffCommand(), a.verifyCommand(), a.exportCommand(), a.importCommand(),
		}},
		{"other", "Other", []*cobra.Command{
			a.versionCommand(), helpCommand(), a.completionCommand(), fdForwardCommand(),
		}},
	}
}
