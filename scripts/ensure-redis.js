/**
 * Makes sure that the tests have a Redis server to start: redis-server or valkey-server on PATH, or
 * installed with apt-get where that needs nobody's leave (root, Debian).
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["redis-server", "valkey-server"];

/** @returns {string | undefined} the path of a server, if there is one */
function findServer() {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync);
}

function canInstall() {
  return existsSync("/etc/debian_version") && process.getuid?.() === 0;
}

/** @param {string[]} args */
function aptGet(...args) {
  return spawnSync("apt-get", args, {
    stdio: ["ignore", "ignore", "inherit"],
    // The package would start a service; at run level 1 it does not. The tests start their own.
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
  }).status;
}

function install() {
  const packages = ["install", "-y", "--no-install-recommends", "redis-server"];
  if (aptGet(...packages) === 0) return;
  aptGet("update");
  aptGet(...packages);
}

if (findServer() === undefined) {
  process.stderr.write("No redis-server on PATH.\n");
  if (canInstall()) {
    process.stderr.write("Installing it with apt-get …\n");
    install();
  }
}
if (findServer() === undefined) {
  const command =
    process.platform === "darwin" ? "brew install redis" : "sudo apt-get install redis-server";
  process.stderr.write(
    `The tests start private Redis servers. Install one with:\n\n  ${command}\n\n`,
  );
  process.exitCode = 1;
}
