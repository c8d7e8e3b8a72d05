/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

/* Journal records that an operator should act on or look for; the catalog has an entry for each. */
#define MESSAGE_AGENT_JOINED "5f0e2a3b9c6d4d0ea7c1b4f86e2d9a10"
#define MESSAGE_AGENT_APPLIED "b1d47c9e60f24b6f8e35a90c7d2f4e11"
#define MESSAGE_AGENT_REFUSED "c83e5d10a7f94a29b6427be15f90dc12"
#define MESSAGE_AGENT_REVOKED "2d9b61f4e8a04c7db3155c8e9a70fb13"
#define MESSAGE_AGENT_UNDONE "9a4c3f7e25b1468d8f02d6e17bc59e14"
#define MESSAGE_AGENT_FOUGHT "e6170bd8943f4e5ca2d89f3b61c70a15"
#define MESSAGE_AGENT_LEFT "47f8a2c6d05e4b13966e1d3cb84f2a16"
