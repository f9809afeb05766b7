import kafkajs from "kafkajs";
import { expect, it } from "vitest";
import { kafkaFailure } from "../../../connectors/kafka/client.ts";

/** As kafkajs gives up after its retries: what it met is the cause of what it throws. */
function after(cause: Error): Error {
  return new kafkajs.KafkaJSNumberOfRetriesExceeded(cause, { retryCount: 6, retryTime: 1 });
}

it("a broker that is not trusted is told from one that is away, and a wrong password from both", () => {
  const broken = (code: string) => after(Object.assign(new kafkajs.KafkaJSConnectionError(code), { code }));
  expect(kafkaFailure(broken("DEPTH_ZERO_SELF_SIGNED_CERT"), "kafka")).toMatchObject({
    code: "REHOUSE_TLS",
    fix: expect.stringContaining("kafka.ssl"),
  });
  expect(kafkaFailure(broken("ECONNREFUSED"), "kafka")).toMatchObject({ code: "REHOUSE_UNREACHABLE" });
  expect(kafkaFailure(new kafkajs.KafkaJSNonRetriableError("SASL PLAIN authentication failed"), "kafka")).toMatchObject({
    code: "REHOUSE_SERVER",
    fix: expect.stringContaining("kafka.sasl"),
  });
});
