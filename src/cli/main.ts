#!/usr/bin/env node
/** The program `express-redis-kit`. */
import { startCli } from "./cli.ts";

startCli(process.argv.slice(2));
