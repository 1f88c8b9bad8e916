export type {
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
export { subscribe } from './subscribe.js';
export type { SubscribeOptions } from './subscribe.js';
