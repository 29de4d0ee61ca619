#!/usr/bin/env node
import { useCompileCache } from "./cli/compile-cache.ts";

// Before all else is read: what has been compiled once is not stripped of its types and compiled again.
useCompileCache();
const { runProgram } = await import("./cli/program.ts");
process.exitCode = await runProgram(process.argv);
// A server that could not start holds its address by now, and perhaps more: it is not to wait for any of it.
if (process.exitCode !== 0) process.exit();
