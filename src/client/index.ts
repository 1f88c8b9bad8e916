export { createBatchingPublisher } from './batching-publisher.js';
export type { BatchingPublisher, BatchingPublisherOptions } from './batching-publisher.js';
export type {
  ConflatedDelivery,
  CursorDelivery,
  Delivery,
  EndDelivery,
  EventDelivery,
  GapDelivery,
  LiveDelivery,
  OpenDelivery,
  StatusDelivery,
} from './delivery.js';
export { ClientError } from './errors.js';
export { createPublisher } from './publisher.js';
export type { PublishedEvent, Publisher, PublisherOptions, PublishOptions, PublishResult } from './publisher.js';
export { openSubscription } from './listeners.js';
export type { Listener, OpenSubscription } from './listeners.js';
export { subscribe } from './subscribe.js';
export type { SubscribeOptions } from './subscribe.js';
export type { Token } from './token.js';
