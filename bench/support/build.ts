/** Compiles a benchmark's script together with the kit's sources, as a published package would run. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle } from "../../__tests__/support/bundle.ts";

/** Inside the project, so that the scripts find its dependencies. */
const FOLDER = fileURLToPath(
  new URL("../../node_modules/.cache/express-redis-kit/", import.meta.url),
);

/**
 * Bundles one script and answers the path of the result, for plain Node. A loader that compiles while
 * the process runs would be measured too: tsx, for one, wraps every function expression to keep its name.
 */
export function compile(source: URL, name: string): string {
  mkdirSync(FOLDER, { recursive: true });
  const outfile = join(FOLDER, `${name}.mjs`);
  bundle(fileURLToPath(source), outfile);
  return outfile;
}
