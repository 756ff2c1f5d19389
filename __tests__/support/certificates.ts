/** Certificate authorities for tests, each with what it signs; PEM texts, and files where a server wants files. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCA, createCert } from "mkcert";

/** A certificate with its key, as texts and as files. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** An authority that nobody trusts unless told. */
export interface Authority {
  /** Its own certificate. */
  readonly ca: string;
  readonly caFile: string;
  /** Signs a certificate for these names and addresses. */
  issue(...names: string[]): Promise<Identity>;
  /** Removes the files. */
  remove(): void;
}

/** Makes an authority with a folder of its own. */
export async function createAuthority(organization = "Kit Test CA"): Promise<Authority> {
  const folder = mkdtempSync(join(tmpdir(), "kit-ca-"));
  let count = 0;
  const save = (name: string, text: string): string => {
    const file = join(folder, `${count++}-${name}`);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  const ca = await createCA({
    organization,
    countryCode: "EU",
    state: "Test",
    locality: "Test",
    validity: 2,
  });
  return {
    ca: ca.cert,
    caFile: save("ca.pem", ca.cert),
    issue: async (...names) => {
      const { cert, key } = await createCert({ ca, domains: names, validity: 2 });
      return { cert, key, certFile: save("cert.pem", cert), keyFile: save("key.pem", key) };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
