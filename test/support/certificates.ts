/** Certificates for tests, so that none expires in the repository and no program has to be there: X.509 (RFC 5280) as DER, on P-256. */

import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIPv4 } from "node:net";

/** PEM texts. */
export type Identity = { readonly cert: string; readonly key: string };

type Issuer = { readonly name: string; readonly key: KeyObject };

const ECDSA_WITH_SHA256 = "2a8648ce3d040302";
const COMMON_NAME = "550403";
const BASIC_CONSTRAINTS = "551d13";
const SUBJECT_ALTERNATIVE_NAME = "551d11";
const DAY_MS = 86_400_000;

/** An authority of its own, and what it vouches for. */
export class Authority {
  readonly pem: string;
  readonly #issuer: Issuer;

  constructor(name = "an authority") {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#issuer = { name, key: privateKey };
    const isAuthority = extension(BASIC_CONSTRAINTS, der(0x30, der(0x01, Buffer.from([0xff]))));
    this.pem = certificate({ subject: name, key: publicKey, extensions: [isAuthority] }, this.#issuer);
  }

  /** For a server under these host names and addresses, or for a client with this common name. */
  identity(names: readonly string[], validUntil = Date.now() + DAY_MS): Identity {
    return identity(names, validUntil, this.#issuer);
  }
}

/** Vouched for by nobody else. */
export function selfSigned(names: readonly string[]): Identity {
  return identity(names, Date.now() + DAY_MS, undefined);
}

function identity(names: readonly string[], validUntil: number, issuer: Issuer | undefined): Identity {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const subject = names[0] ?? "";
  const alternatives = names.map((name) =>
    isIPv4(name) ? der(0x87, Buffer.from(name.split(".").map(Number))) : der(0x82, Buffer.from(name)),
  );
  const extensions = [extension(SUBJECT_ALTERNATIVE_NAME, der(0x30, ...alternatives))];
  const by = issuer ?? { name: subject, key: privateKey };
  return {
    cert: certificate({ subject, key: publicKey, extensions, validUntil }, by),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

type Content = {
  readonly subject: string;
  readonly key: KeyObject;
  readonly extensions: readonly Buffer[];
  readonly validUntil?: number;
};

function certificate({ subject, key, extensions, validUntil = Date.now() + DAY_MS }: Content, issuer: Issuer): string {
  const algorithm = der(0x30, oid(ECDSA_WITH_SHA256));
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    name(issuer.name),
    der(0x30, time(Date.now() - 2 * DAY_MS), time(validUntil)),
    name(subject),
    key.export({ type: "spki", format: "der" }),
    der(0xa3, der(0x30, ...extensions)),
  );
  const signature = sign("sha256", body, issuer.key);
  const whole = der(0x30, body, algorithm, der(0x03, Buffer.from([0]), signature));
  const lines = whole.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, "hex"));
}

function name(common: string): Buffer {
  return der(0x30, der(0x31, der(0x30, oid(COMMON_NAME), der(0x0c, Buffer.from(common)))));
}

/** GeneralizedTime: 20260101000000Z. */
function time(ms: number): Buffer {
  return der(0x18, Buffer.from(`${new Date(ms).toISOString().replaceAll(/\D/g, "").slice(0, 14)}Z`));
}

function extension(id: string, value: Buffer): Buffer {
  return der(0x30, oid(id), der(0x04, value));
}
