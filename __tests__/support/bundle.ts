/** Bundles a script together with the kit's sources for plain Node, as a published package would run. */
import { buildSync } from "esbuild";

/** Writes the bundle to `outfile`, which has to lie inside the project for its dependencies to be found. */
export function bundle(entry: string, outfile: string): void {
  buildSync({
    entryPoints: [entry],
    outfile,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "warning",
  });
}
