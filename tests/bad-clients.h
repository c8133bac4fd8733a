/* SPDX-License-Identifier: MIT */
/* Clients of a control socket that mean no good. */
#ifndef VDPR_TESTS_BAD_CLIENTS_H
#define VDPR_TESTS_BAD_CLIENTS_H

#include <stdbool.h>

#define BAD_CLIENTS 100
#define BAD_MANNERS 6 /* different ones */

/* bad_client() - dial a control socket and misbehave in the way number @i.
 * Never waits.
 * Return: its descriptor; -1 if it has gone again, or was not let in.
 */
int bad_client(const char *path, unsigned int i);

/* bad_client_is_out() - reads what there is. Return: has it been hung up on? */
bool bad_client_is_out(int fd);

#endif
