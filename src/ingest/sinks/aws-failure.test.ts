import { describe, expect, it } from 'vitest';
import { toAwsFailure, toRecordFailure, toStartError } from './aws-failure.js';

function awsError(name: string, message = 'No', status = 400): Error {
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status } });
}

describe('toAwsFailure()', () => {
  it.each([
    ['ValidationException', 'content'],
    ['InvalidArgumentException', 'content'],
    ['AccessDeniedException', 'access'],
    ['AccessDenied', 'access'],
    ['InvalidAccessKeyId', 'access'],
    ['UnrecognizedClientException', 'access'],
    ['CredentialsProviderError', 'access'],
    ['ResourceNotFoundException', 'stream'],
    ['NoSuchBucket', 'stream'],
    ['ProvisionedThroughputExceededException', 'later'],
    ['KMSThrottlingException', 'later'],
    ['InternalFailure', 'later'],
    ['WhatNobodyForesaw', 'later'],
  ])('%s is about %s', (name, kind) => expect(toAwsFailure(awsError(name))).toMatchObject({ kind, code: name }));

  it('names what the system says by its code, and takes any 413 for a word about content', () => {
    const torn = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
    expect(toAwsFailure(torn)).toEqual({ kind: 'later', code: 'ECONNRESET', message: 'socket hang up' });
    expect(toAwsFailure(awsError('Unknown', 'UnknownError', 413))).toMatchObject({ kind: 'content' });
    expect(toAwsFailure('text')).toMatchObject({ kind: 'later', message: 'text' });
    const invalid = new Error('Region not accepted: region="" is not a valid hostname component.');
    expect(toAwsFailure(invalid)).toMatchObject({ kind: 'settings', code: 'invalid-region' });
    expect(toAwsFailure(new Error('Region is missing'))).toMatchObject({ kind: 'settings', code: 'no-region' });
  });

  it('repeats nothing of what AWS says about a signature: it quotes the signed headers', () => {
    const failure = toAwsFailure(awsError('InvalidSignatureException', 'x-amz-security-token:SECRET'));
    expect(JSON.stringify(failure)).not.toContain('SECRET');
    expect(toStartError(failure, 's')?.message).not.toContain('SECRET');
  });

  it('keeps messages to one short line', () => {
    expect(toRecordFailure('X', `a\nb${'c'.repeat(1000)}`).message).toMatch(/^a bc{297}…$/);
  });
});

describe('toStartError()', () => {
  it.each([
    ['ResourceNotFoundException', 'stream-missing'],
    ['ExpiredTokenException', 'access-refused'],
    ['ValidationException', 'invalid-option'],
  ])('%s keeps a pipeline from starting: %s', (name, code) => {
    expect(toStartError(toAwsFailure(awsError(name)), 's')).toMatchObject({ code });
  });

  it('is nothing where it may heal', () => {
    expect(toStartError(toAwsFailure(awsError('InternalFailure')), 's')).toBeUndefined();
  });
});
