// Use of HDF5 (https://docs.hdfgroup.org/hdf5), for the two files of its format. The library has process-wide state, so
// every use is under one process-wide lock, with its printing of errors switched off and restored.
#ifndef GSG_DATA_HDF5_SESSION_H
#define GSG_DATA_HDF5_SESSION_H

#include <hdf5.h>

#include "core/error.h"

#define GSG_HDF5_RANK 5 // of a dataset, at most

// The host's way of printing HDF5 errors, put back by gsg_hdf5_leave().
typedef struct gsg_hdf5_session {
    H5E_auto2_t print;
    void *user;
} gsg_hdf5_session;

void gsg_hdf5_enter(gsg_hdf5_session *my);
void gsg_hdf5_leave(const gsg_hdf5_session *my);

// What HDF5 itself says, behind `what`.
genseg_status gsg_hdf5_refuse(genseg_status status, const char *what, gsg_error *err);
void gsg_hdf5_close_data(hid_t data); // -1: none

#endif
