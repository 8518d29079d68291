package bake

import "debug/elf"

// StaticProgram stands for the agent: a program for the machine and without
// an interpreter, which is all that is asked of it.
func StaticProgram() []byte { return program(elf.EM_X86_64, elf.PT_LOAD) }
