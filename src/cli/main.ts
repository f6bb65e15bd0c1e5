#!/usr/bin/env node
/** The `llm-tap` command. */
import process from "node:process";

process.stdout.write("llm-tap\n");
