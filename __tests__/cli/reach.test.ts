/** What the doctor says of a wrong configuration, and of a Redis that cannot be reached. */
import { describe, expect, it } from "@jest/globals";
import { createAuthority } from "../support/certificates.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { freePort, startRedis } from "../support/redis-server.ts";
import { visit } from "./visit.ts";

describe("configuration", () => {
  it("tells a wrong URL with its fix, and connects to nothing", async () => {
    const report = await visit({ REDIS_URL: "redsi://localhost" });
    expect(report.ok).toBe(false);
    expect(report.find("configuration")).toMatchObject({
      level: "failure",
      fix: "Did you mean 'redis://…'?",
      data: { code: "INVALID_REDIS_URL" },
    });
  });

  it("tells a missing SESSION_SECRET as a failure in production and a note elsewhere", async () => {
    const redis = await startRedis();
    const level = async (env: Record<string, string>) =>
      (await visit({ REDIS_URL: redis.url, ...env })).find("session-secret").level;
    expect(await level({ NODE_ENV: "production", SESSION_SECRET: "" })).toBe("failure");
    expect(await level({ SESSION_SECRET: "" })).toBe("note");
    expect(await level({ SESSION_SECRET: "short" })).toBe("warning");
  });

  it("foresees what production would refuse, and fails where it is production", async () => {
    const url = `redis://10.255.255.1:${await freePort()}`;
    const options = { connectDeadline: 200 };
    const here = await visit({ REDIS_URL: url }, { options });
    expect(here.find("production-rules")).toMatchObject({
      level: "warning",
      detail: expect.stringContaining("10.255.255.1 without TLS"),
      fix: expect.stringContaining("REDIS_ALLOW_PLAINTEXT=10.255.255.1"),
      data: { code: "PLAINTEXT_REFUSED" },
    });
    const there = await visit({ REDIS_URL: url, NODE_ENV: "production" }, { options });
    expect(there.find("configuration")).toMatchObject({
      level: "failure",
      data: { code: "PLAINTEXT_REFUSED" },
    });
    expect(there.checks.map(({ id }) => id)).not.toContain("connection");
  });

  it("warns of an exception that production allows", async () => {
    const report = await visit(
      {
        REDIS_URL: "redis://10.255.255.1",
        REDIS_ALLOW_PLAINTEXT: "10.255.255.1",
        NODE_ENV: "production",
      },
      { options: { connectDeadline: 200 } },
    );
    expect(report.find("production-rules")).toMatchObject({
      level: "warning",
      detail: expect.stringContaining("without TLS"),
    });
    expect(report.find("encryption")).toMatchObject({
      level: "note",
      detail: expect.stringContaining("can be read on the way"),
    });
  });

  it("tells of an environment file that cannot be read", async () => {
    const report = await visit(
      {},
      { loaded: { origin: new Map(), unreadable: [{ file: ".env", reason: "EACCES" }] } },
    );
    expect(report.find("environment-file")).toMatchObject({
      level: "warning",
      detail: ".env is there, but cannot be read (EACCES).",
    });
  });
});

describe("connection", () => {
  it("tells that nobody listens", async () => {
    const report = await visit({ REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
    expect(report.ok).toBe(false);
    expect(report.find("connection")).toMatchObject({
      level: "failure",
      detail: expect.stringContaining("ECONNREFUSED"),
      data: { code: "REDIS_UNAVAILABLE" },
    });
    expect(report.find("not-checked").data["ids"]).toContain("latency");
  });

  it("tells a wrong password, and that it is the password", async () => {
    const redis = await startRedis({ args: ["--requirepass", "right-password"] });
    const report = await visit({ REDIS_URL: redis.url, REDIS_TOKEN: "wrong-password" });
    expect(report.find("connection")).toMatchObject({
      level: "failure",
      detail: expect.stringContaining("rejected the user name or the password"),
      fix: expect.stringContaining("REDIS_TOKEN"),
      data: { code: "REDIS_AUTH_FAILED" },
    });
    expect(report.text).not.toContain("wrong-password");
  });

  it("tells TLS that was spoken to a plaintext port, and the reverse", async () => {
    const authority = await createAuthority();
    const identity = await authority.issue("localhost", "127.0.0.1");
    const tls = { ca: authority.caFile, cert: identity.certFile, key: identity.keyFile };
    const redis = await startRedis({ tcp: true, tls });
    const options = { connectDeadline: 1000 };
    const toPlaintext = await visit({ REDIS_URL: `rediss://127.0.0.1:${redis.port}` }, { options });
    expect(toPlaintext.find("connection").data).toEqual({ code: "TLS_NOT_OFFERED" });
    expect(toPlaintext.find("encryption")).toMatchObject({ level: "failure" });
    const toTls = await visit({ REDIS_URL: `redis://127.0.0.1:${redis.tlsPort}` }, { options });
    expect(toTls.find("connection")).toMatchObject({
      level: "failure",
      fix: expect.stringContaining("rediss://"),
      data: { code: "TLS_EXPECTED" },
    });
    authority.remove();
  });

  it("tells whose certificate was refused", async () => {
    const authority = await createAuthority("Unknown CA");
    const identity = await authority.issue("localhost");
    const tls = { ca: authority.caFile, cert: identity.certFile, key: identity.keyFile };
    const redis = await startRedis({ tls });
    const url = `rediss://localhost:${redis.tlsPort}`;
    const now = () => Date.now() - 40 * 86_400_000;
    const untrusted = await visit({ REDIS_URL: url }, { now });
    expect(untrusted.find("connection").data).toEqual({ code: "TLS_CERTIFICATE_REJECTED" });
    expect(untrusted.find("encryption")).toMatchObject({
      level: "failure",
      detail: expect.stringMatching(/issued by 'Unknown CA'.*not verified \(\w+\)/),
      fix: expect.stringContaining("REDIS_CA"),
    });
    const misnamed = await visit(
      { REDIS_URL: `rediss://127.0.0.1:${redis.tlsPort}`, REDIS_CA: authority.ca },
      { now },
    );
    expect(misnamed.find("encryption").detail).toContain("ERR_TLS_CERT_ALTNAME_INVALID");
    const blind = await visit({ REDIS_URL: url, NODE_TLS_REJECT_UNAUTHORIZED: "0" }, { now });
    expect(blind.find("connection").level).toBe("ok");
    expect(blind.find("encryption")).toMatchObject({ level: "warning" });
    expect(blind.find("production-rules")).toMatchObject({
      level: "warning",
      data: { code: "TLS_VERIFICATION_REFUSED" },
    });
    authority.remove();
  });

  it("warns of a certificate that ends soon, and fails where it has ended", async () => {
    const authority = await createAuthority();
    const identity = await authority.issue("localhost");
    const tls = { ca: authority.caFile, cert: identity.certFile, key: identity.keyFile };
    const redis = await startRedis({ tls });
    const env = { REDIS_URL: `rediss://localhost:${redis.tlsPort}`, REDIS_CA: authority.ca };
    const soon = await visit(env);
    expect(soon.find("encryption")).toMatchObject({
      level: "warning",
      detail: expect.stringMatching(/verified: [12] days are left/),
    });
    const late = await visit(env, { now: () => Date.now() + 5 * 86_400_000 });
    expect(late.find("encryption")).toMatchObject({
      level: "failure",
      detail: expect.stringContaining("has expired"),
    });
    authority.remove();
  });

  it("tells how many masters of a Cluster are missing", async () => {
    const cluster = await startCluster({ masters: 3, replicas: 0 });
    await cluster.kill(cluster.nodes[2]!, "SIGKILL");
    const report = await visit({ REDIS_URL: cluster.url }, { options: { connectDeadline: 1000 } });
    expect(report.find("connection").level).toBe("failure");
    expect(report.find("topology")).toMatchObject({
      level: "failure",
      detail: "2 of the 3 masters of the Cluster answer.",
    });
    expect(report.find("not-checked").data["ids"]).not.toContain("topology");
    await cluster.stop();
  }, 60_000);
});
