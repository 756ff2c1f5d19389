/** RFC 9111, section 4.2: the process's own time zone has no part in what is fresh. */
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { bundle } from "../../support/bundle.ts";

const ROOT = resolve(__dirname, "../../..");
const SCRIPT = resolve(ROOT, `node_modules/.cache/express-redis-kit/zone-${process.pid}.mjs`);

const run = promisify(execFile);

beforeAll(() => bundle(resolve(ROOT, "__tests__/support/zone-process.ts"), SCRIPT));
afterAll(() => rmSync(SCRIPT, { force: true }));

/** The form without a zone (RFC 9110, section 5.6.7), which `Date.parse` takes for local time. */
function asctime(hours: number): string {
  const date = new Date(Date.now() + hours * 3_600_000).toUTCString();
  const [day, dd, month, year, time] = date.replace(",", "").split(" ");
  return `${day} ${month} ${String(Number(dd)).padStart(2)} ${time} ${year}`;
}

it.each([
  ["Asia/Tokyo", -540],
  ["Pacific/Honolulu", 600],
])("an Expires without a zone is in GMT in %s", async (zone, offset) => {
  const headers = [1, -1].map((hours) => ({ Expires: asctime(hours) }));
  const env = { ...process.env, NODE_ENV: "test", TZ: zone };
  const { stdout } = await run(process.execPath, [SCRIPT, JSON.stringify(headers)], { env });
  expect(JSON.parse(stdout)).toEqual({ offset, results: [true, false] });
});
