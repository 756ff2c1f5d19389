/**
 * Looks at the Redis that this environment configures: `npx express-redis-kit doctor` from a clone,
 * with nothing built. Takes the same options; `--help` lists them.
 */
import { existsSync } from "node:fs";

const SOURCE = new URL("../src/cli/cli.ts", import.meta.url);
const BUILT = new URL("../dist/esm/cli/cli.js", import.meta.url);

/** The source where tsx is installed, otherwise what was built. */
async function load() {
  try {
    const { register } = await import("tsx/esm/api");
    register();
    return await import(SOURCE.href);
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND" || !existsSync(BUILT)) throw error;
    return import(BUILT.href);
  }
}

try {
  const { startCli } = await load();
  startCli(["doctor", ...process.argv.slice(2)]);
} catch (error) {
  if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
  process.stderr.write(`${error.message}\nRun \`npm install\` first.\n`);
  process.exitCode = 1;
}
