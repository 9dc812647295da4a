/** Interpreters elsewhere, which run what they are sent: `banyan/gateway`. */
export { BanyanError, GatewayError } from "./base/errors.ts";
export { Gateway, type TerminateOptions } from "./gateway/gateway.ts";
export { type CallbackOptions, GatewayChannel, Run } from "./gateway/gateway-channel.ts";
export type { GatewayInfo, GatewayStatus } from "./gateway/far.ts";
export { Group } from "./gateway/group.ts";
export { type FromChannel, MultiChannel } from "./gateway/multi-channel.ts";
export { type GatewayOptions, openGateway } from "./gateway/open.ts";
export type { ModuleFile } from "./gateway/sent-code.ts";
export type { GatewaySide } from "./gateway/side.ts";
export { type GatewayServer, type ServeOptions, serveGateway } from "./gateway/socket.ts";
export { formatSpec, type GatewaySpec, parseSpec } from "./gateway/spec.ts";
