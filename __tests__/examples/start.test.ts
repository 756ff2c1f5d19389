import { afterEach, describe, expect, it } from "@jest/globals";
import { createBrowser, startExample, startListening, stopExamples } from "../support/example.ts";
import { freePort, until } from "../support/redis-server.ts";

afterEach(stopExamples);

describe("npm start without Redis", () => {
  it("serves the example with exactly one warning, for memory and the made-up secret", async () => {
    const example = await startListening();
    expect((await fetch(example.url)).status).toBe(200);
    await until(() => example.warnings().length > 0, "the warning");
    expect(example.warnings()).toEqual([
      expect.stringMatching(/memory.*SKIP_REDIS_WARNING.*SESSION_SECRET/),
    ]);
  });

  it("is silent with SKIP_REDIS_WARNING=true", async () => {
    const example = await startListening({ SKIP_REDIS_WARNING: "true" });
    await createBrowser(example.url)("POST", "/login", { username: "ada", password: "ada" });
    expect(example.warnings()).toEqual([]);
  });

  it("goes on in memory with one warning that says why, where Redis is configured but away", async () => {
    const port = await freePort();
    const example = await startListening({
      REDIS_URL: `redis://127.0.0.1:${port}`,
      SESSION_SECRET: "s",
    });
    const browser = createBrowser(example.url);
    expect((await browser("POST", "/login", { username: "ada", password: "ada" })).status).toBe(
      200,
    );
    await until(() => example.warnings().length > 0, "the warning");
    expect(example.warnings()).toEqual([expect.stringMatching(/ECONNREFUSED.*memory/)]);
  });

  it("refuses to start in production, and says what to set", async () => {
    const example = startExample({ NODE_ENV: "production" });
    expect(await example.exited()).toBe(1);
    expect(example.lines().join("\n")).toMatch(/REDIS_URL=rediss:.*REDIS_NOT_CONFIGURED/s);
  });

  it("refuses a plaintext host in production before any connection, naming host and fix", async () => {
    const example = startExample({ NODE_ENV: "production", REDIS_URL: "redis://10.0.0.5:6379" });
    expect(await example.exited()).toBe(1);
    expect(example.lines().join("\n")).toMatch(
      /10\.0\.0\.5.*rediss:.*REDIS_ALLOW_PLAINTEXT.*PLAINTEXT_REFUSED/s,
    );
  });

  it("needs a session secret in production", async () => {
    const example = startExample({ NODE_ENV: "production", REDIS_URL: "redis://127.0.0.1:6379" });
    expect(await example.exited()).toBe(1);
    expect(example.lines().join("\n")).toContain("SESSION_SECRET_MISSING");
  });
});
