import { describe, expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import { makeKit, serve } from "../support/kit.ts";

function appWith(options?: Parameters<ReturnType<typeof makeKit>["security"]>[0], trustProxy = 1) {
  const app = express();
  app.set("trust proxy", trustProxy);
  app.use(makeKit().security(options));
  return app.get("/", (_req, res) => {
    res.json({ ok: true });
  });
}

const HTTPS = { "X-Forwarded-Proto": "https" };

describe("security()", () => {
  it("sends a policy that suits an API, and helmet's other fields", async () => {
    const { headers } = await request(appWith()).get("/");
    expect(headers["content-security-policy"]).toBe(
      "default-src 'none';base-uri 'none';form-action 'self';frame-ancestors 'none'",
    );
    expect(headers).toMatchObject({
      "x-frame-options": "DENY",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    });
    expect(headers["x-powered-by"]).toBeUndefined();
  });

  it("sends HSTS only where the client is known to speak https", async () => {
    const app = appWith();
    const plain = await request(app).get("/");
    expect(plain.headers["strict-transport-security"]).toBeUndefined();
    const secure = await request(app).get("/").set(HTTPS);
    expect(secure.headers["strict-transport-security"]).toMatch(/^max-age=\d+/);
  });

  it("does not believe a forwarded scheme of a proxy that is not trusted", async () => {
    const { headers } = await request(appWith(undefined, 0)).get("/").set(HTTPS);
    expect(headers["strict-transport-security"]).toBeUndefined();
  });

  it("lets the policy be replaced, and left out", async () => {
    const directives = { "default-src": ["'self'"] };
    const own = await request(appWith({ contentSecurityPolicy: { directives } })).get("/");
    expect(own.headers["content-security-policy"]).toContain("default-src 'self'");
    const none = await request(appWith({ contentSecurityPolicy: false })).get("/");
    expect(none.headers["content-security-policy"]).toBeUndefined();
  });

  it.each([
    [{ frameguard: { action: "sameorigin" as const } }, "x-frame-options", "SAMEORIGIN"],
    [{ xFrameOptions: { action: "sameorigin" as const } }, "x-frame-options", "SAMEORIGIN"],
    [{ hsts: { maxAge: 60 } }, "strict-transport-security", "max-age=60; includeSubDomains"],
    [{ strictTransportSecurity: false }, "strict-transport-security", undefined],
    [{ hsts: false }, "strict-transport-security", undefined],
  ])("passes helmet's options and their older names on: %j", async (options, field, value) => {
    const { headers } = await request(appWith(options)).get("/").set(HTTPS);
    expect(headers[field]).toBe(value);
  });

  it("refuses an option that helmet does not have, and says what was meant", () => {
    expect(() => makeKit().security({ contentSecuritPolicy: false } as never)).toThrow(
      /Did you mean `contentSecurityPolicy`\?/,
    );
  });

  it.each([
    [undefined, false],
    ["loopback", true],
  ])("works under node:http, where createKit says who is trusted: %p", async (trust, isSent) => {
    const kit = makeKit(trust === undefined ? {} : { trustProxy: trust });
    const secure = kit.security();
    const url = await serve((req, res) => secure(req, res, () => res.end("ok")));
    const response = await fetch(url, { headers: HTTPS });
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.has("strict-transport-security")).toBe(isSent);
  });
});
