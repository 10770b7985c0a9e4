// Package command is the language that people type, there and back.
package command
