/** Where traces go, by the environment's names that all of OpenTelemetry has: https://opentelemetry.io/docs/specs/otel/protocol/exporter/. */

import { RehouseError } from "../errors.ts";
import { hide } from "../redact.ts";

export type Collector = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** Undefined: nobody has asked for traces. REHOUSE_USAGE for an address that is none. */
export function collectorOf(env: Environment): Collector | undefined {
  const whole = env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] || undefined;
  const base = env["OTEL_EXPORTER_OTLP_ENDPOINT"] || undefined;
  const url = whole ?? (base === undefined ? undefined : `${base.replace(/\/+$/, "")}/v1/traces`);
  if (url === undefined || env["OTEL_SDK_DISABLED"] === "true") return undefined;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new RehouseError("REHOUSE_USAGE", {
      what: "The collector for traces has no http(s) address.",
      where: whole === undefined ? "OTEL_EXPORTER_OTLP_ENDPOINT" : "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
      fix: "such as http://localhost:4318",
    });
  }
  const headers = headersOf(env["OTEL_EXPORTER_OTLP_TRACES_HEADERS"] ?? env["OTEL_EXPORTER_OTLP_HEADERS"] ?? "");
  hide(Object.values(headers));
  return { url, headers, serviceName: env["OTEL_SERVICE_NAME"] || "rehouse" };
}

/** `name=value,name=value`, values percent-encoded. */
function headersOf(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split(",").flatMap((pair) => {
      const at = pair.indexOf("=");
      return at < 1 ? [] : [[pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())]];
    }),
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
