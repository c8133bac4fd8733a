/* SPDX-License-Identifier: MIT */
/* Clients of a control socket that mean no good. */
#ifndef VDPR_TESTS_BAD_CLIENTS_H
#define VDPR_TESTS_BAD_CLIENTS_H

#include <stdbool.h>

#define BAD_CLIENTS 100
#define BAD_MANNERS 6 /* different ones */

/* A hundred of them, always: whoever is thrown out is followed by the next. */
struct bad_clients {
	int fd[BAD_CLIENTS]; /* -1: none */
	unsigned int dialled, out;
};

/* bad_client() - dial a control socket and misbehave in the way number @i.
 * Never waits.
 * Return: its descriptor; -1 if it has gone again, or was not let in.
 */
int bad_client(const char *path, unsigned int i);

/* bad_client_is_out() - reads what there is. Return: has it been hung up on? */
bool bad_client_is_out(int fd);

/* Nobody yet. */
void bad_clients_begin(struct bad_clients *clients);
/* At most @many more, each in the place of one that is not there or is out. */
void bad_clients_come(struct bad_clients *clients, const char *path,
		      unsigned int many);
/* All hang up. */
void bad_clients_end(struct bad_clients *clients);

/* A connection that does not wait, or -1. */
int bad_client_dial(const char *path);

#endif
